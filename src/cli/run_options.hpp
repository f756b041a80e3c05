// What `caldera run` was asked for, and what its one-shot and interactive forms share.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "caldera/caldera.hpp"
#include "cli/answer_format.hpp"
#include "cli/machine_options.hpp"

namespace caldera::cli {

struct RunOptions {
  std::string model;
  std::optional<std::string> prompt;
  std::optional<std::string> file;
  std::optional<std::string> system;
  bool raw = false;
  LoadOptions load;
  GenerateOptions generate;
  MachineOptions machine;
  std::shared_ptr<machine::Cooling> cooling;  ///< of --max-temperature, or null
  bool stats = false;
  FormatOptions format_options;
  AnswerFormat format;  ///< what they say
  bool no_stats = false;
  bool quiet = false;
  bool json = false;
  bool verbose = false;
};

/// Loads the model with a progress bar, then says on standard error what it runs on and in how much memory.
/// Throws Interrupted on Ctrl-C.
std::shared_ptr<Model> load_model(const RunOptions& options);

/// The conversation as tokens, ready to be answered. Errors: kInput, kUnsupported (of the template).
std::vector<Token> conversation_tokens(const Model& model, std::span<const Message> messages);

/// Generates with `options`, streaming the answer to standard output unless `silent`; ends early on Ctrl-C
/// (StopReason::kCancelled). Throws what write_out() throws.
Generation stream_answer(Session& session, GenerateOptions options, bool quiet, bool silent);

/// "prompt: 31 tokens and 200 kept, 120.5 tokens/s; decode: 64 tokens, 35.1 tokens/s; 1984 tokens forgotten"
std::string describe_rates(const Generation& generation);

/// "memory: weights 94 MiB, KV up to 90 MiB for 2048 tokens"
std::string describe_memory(const Model& model);

/// "decode: 152 dispatches and 120 barriers per token"
std::string describe_step(const Model& model);

/// Talks with the user at the terminal. Returns the exit code.
int chat(const RunOptions& options);

}  // namespace caldera::cli
