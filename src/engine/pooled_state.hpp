// An embedding while its text is read: hidden states as they come, pooled.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "caldera/model.hpp"

namespace caldera::engine {

class PooledState {
 public:
  PooledState(Pooling pooling, uint32_t width) : pooling_(pooling), sum_(width) {}

  /// Tokens added so far.
  uint32_t tokens() const { return tokens_; }
  void restart();

  /// Tokens of a batch.
  struct Rows {
    uint32_t first = 0;
    uint32_t count = 0;
  };
  /// Whose hidden states count, of the next `tokens`; `end`: they are the last.
  Rows wanted(uint32_t tokens, bool end) const;
  /// The next `tokens`, with the hidden states that are wanted of them, (wanted, width).
  void add(uint32_t tokens, std::span<const float> hidden);

  /// Pooled and scaled to length 1, (width).
  std::vector<float> embedding() const;

 private:
  Pooling pooling_;
  std::vector<double> sum_;  ///< (width)
  uint32_t tokens_ = 0;
};

}  // namespace caldera::engine
