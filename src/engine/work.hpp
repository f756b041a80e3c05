// How much an operation of a pass has to do, as far as its time depends on it.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace caldera::engine {

/// Work of two kinds, in units that mean something only beside each other: CostModel learns their seconds.
struct Work {
  double matrix = 0;     ///< what grows with the tokens alone: products with weights, and all that is small
  double attention = 0;  ///< multiply-adds of scores and values, which grow with the depth too
  Work& operator+=(const Work& other) {
    matrix += other.matrix;
    attention += other.attention;
    return *this;
  }
};

/// What a pass is computed for.
struct PassTokens {
  uint32_t columns = 1;    ///< tokens of a batch, sequences of a step, or outputs of a head
  uint32_t first = 0;      ///< position of the first
  bool neighbours = true;  ///< the others follow it; else each is at `first`, in a sequence of its own
};

/// The work of one operation, for any number of tokens at any depth.
struct OperationWork {
  double fixed = 0;       ///< matrix units, whatever the tokens: reading the weights
  double per_column = 0;  ///< matrix units for each token
  double per_key = 0;     ///< attention units for each token and each key that it sees
  uint32_t window = 0;    ///< keys that it sees at most; 0: all
  bool heavy = false;     ///< worth a submission of its own; others go with the heavy one that follows

  Work of(const PassTokens& tokens) const;
};

/// The work of operations together.
Work sum_of(std::span<const OperationWork> operations, const PassTokens& tokens);

/// Fewer entries with the same sum: heads and layers that see the same keys are one.
std::vector<OperationWork> merged(std::span<const OperationWork> operations);

}  // namespace caldera::engine
