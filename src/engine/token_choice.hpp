// How likely a drawn token was, and what else could have been drawn.
#pragma once

#include <cstdint>
#include <span>

#include "caldera/service.hpp"

namespace caldera::engine {

/// Gives logits (vocabulary) that the sampler has changed in place their values back. `before`: all tokens of
/// the sequence when it drew.
void undo_penalties(std::span<float> logits, const SamplingOptions& sampling, std::span<const Token> before);

/// The draw of `drawn` from logits (vocabulary), with the `top` likeliest tokens.
TokenChoice choice_of(std::span<const float> logits, Token drawn, uint32_t top);

}  // namespace caldera::engine
