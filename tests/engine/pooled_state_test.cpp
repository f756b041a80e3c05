#include "engine/pooled_state.hpp"

#include <gmock/gmock.h>

namespace caldera::engine {
namespace {

using testing::ElementsAre;
using testing::FloatNear;

/// Pools the states (token + 1, 0, 2 token) of `tokens`, read `batch` at a time.
std::vector<float> pooled(Pooling pooling, uint32_t tokens, uint32_t batch) {
  PooledState state(pooling, 3);
  while (state.tokens() < tokens) {
    const uint32_t count = std::min(batch, tokens - state.tokens());
    const PooledState::Rows rows = state.wanted(count, state.tokens() + count == tokens);
    std::vector<float> hidden;
    for (uint32_t i = 0; i < rows.count; ++i) {
      const auto token = static_cast<float>(state.tokens() + rows.first + i);
      hidden.insert(hidden.end(), {token + 1, 0, 2 * token});
    }
    state.add(count, hidden);
  }
  return state.embedding();
}

auto near(double x, double y, double z) {
  const auto one = [](double value) { return FloatNear(static_cast<float>(value), 1e-6F); };
  return ElementsAre(one(x), one(y), one(z));
}

TEST(PooledState, WhateverTheBatches) {
  for (const uint32_t batch : {1U, 2U, 3U, 5U, 8U}) {
    EXPECT_THAT(pooled(Pooling::kFirst, 5, batch), near(1, 0, 0)) << batch;
    EXPECT_THAT(pooled(Pooling::kLast, 5, batch), near(5 / std::sqrt(89), 0, 8 / std::sqrt(89))) << batch;
    EXPECT_THAT(pooled(Pooling::kMean, 5, batch), near(0.6, 0, 0.8)) << batch;
  }
}

TEST(PooledState, OfNothingIsNothing) {
  PooledState state(Pooling::kMean, 3);
  state.add(1, std::vector<float>{0, 0, 0});
  EXPECT_THAT(state.embedding(), near(0, 0, 0));
  state.add(1, std::vector<float>{0, 2, 0});
  state.restart();
  EXPECT_EQ(state.tokens(), 0U);
  EXPECT_THAT(state.embedding(), near(0, 0, 0));
}

}  // namespace
}  // namespace caldera::engine
