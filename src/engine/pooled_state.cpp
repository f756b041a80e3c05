#include "engine/pooled_state.hpp"

#include <algorithm>
#include <cmath>

namespace caldera::engine {

void PooledState::restart() {
  std::ranges::fill(sum_, 0.0);
  tokens_ = 0;
}

PooledState::Rows PooledState::wanted(uint32_t tokens, bool end) const {
  switch (pooling_) {
    case Pooling::kMean:
      return {0, tokens};
    case Pooling::kFirst:
      return {0, tokens_ == 0 ? 1U : 0U};
    case Pooling::kLast:
      return {tokens - 1, end ? 1U : 0U};
  }
  return {};
}

void PooledState::add(uint32_t tokens, std::span<const float> hidden) {
  for (size_t i = 0; i < hidden.size(); i += sum_.size()) {
    for (size_t k = 0; k < sum_.size(); ++k) sum_[k] += hidden[i + k];
  }
  tokens_ += tokens;
}

std::vector<float> PooledState::embedding() const {
  // A mean is a sum of another length.
  double square = 0;
  for (const double value : sum_) square += value * value;
  const double factor = square > 0 ? 1 / std::sqrt(square) : 0;
  std::vector<float> embedding(sum_.size());
  std::ranges::transform(sum_, embedding.begin(),
                         [&](double value) { return static_cast<float>(value * factor); });
  return embedding;
}

}  // namespace caldera::engine
