// The generation loop: steps submitted ahead, and the host following to make text of the tokens.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "caldera/session.hpp"
#include "engine/engine.hpp"
#include "text/tokenizer.hpp"

namespace caldera::engine {

/// One sequence's part of a generation.
struct Job {
  uint32_t slot;
  const GenerateOptions* options;
};

/// Generates for all jobs side by side, through losses of the device. Errors: kContext when a sequence fills
/// the context already, kUsage for impossible sampling options.
std::vector<Generation> generate(Engine& engine, const text::Tokenizer& tokenizer, std::span<const Job> jobs);

}  // namespace caldera::engine
