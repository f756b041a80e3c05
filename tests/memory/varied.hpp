// Options for texts that tell models apart.
#pragma once

#include "engine/models.hpp"

namespace caldera::test {

/// Exactly `tokens` tokens, each the likeliest that is not among the last 64: a model of random weights that
/// takes the likeliest of all soon repeats itself.
inline GenerateOptions varied(uint32_t tokens) {
  GenerateOptions options = greedy(tokens);
  options.sampling.presence_penalty = 1000;
  options.sampling.penalty_window = 64;
  return options;
}

}  // namespace caldera::test
