// Comparing logits as distributions, in double precision.
#pragma once

#include <algorithm>
#include <cmath>
#include <span>
#include <vector>

namespace caldera::test {

/// Natural logarithms of softmax(logits).
inline std::vector<double> log_softmax(std::span<const float> logits) {
  const double maximum = *std::max_element(logits.begin(), logits.end());
  double sum = 0;
  for (const float logit : logits) sum += std::exp(logit - maximum);
  std::vector<double> result;
  result.reserve(logits.size());
  for (const float logit : logits) result.push_back(logit - maximum - std::log(sum));
  return result;
}

/// KL(softmax(reference) || softmax(logits)) in nats.
inline double divergence(std::span<const float> reference, std::span<const float> logits) {
  const std::vector<double> p = log_softmax(reference);
  const std::vector<double> q = log_softmax(logits);
  double sum = 0;
  for (size_t i = 0; i < p.size(); ++i) sum += std::exp(p[i]) * (p[i] - q[i]);
  return sum;
}

}  // namespace caldera::test
