// The distributions that the sampler is to draw from, in double precision, and whether draws follow them.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <numeric>
#include <vector>

#include "kernels/state.hpp"
#include "support/random.hpp"

namespace caldera::kernels {

/// The probabilities that temperature, top-k, top-p and min-p leave, in this order, as session.hpp documents
/// them.
inline std::vector<double> distribution(const std::vector<float>& logits, const Sequence& s) {
  std::vector<uint32_t> order(logits.size());
  std::iota(order.begin(), order.end(), 0U);
  // Of equal logits the lower id comes first, for top-k.
  std::stable_sort(order.begin(), order.end(), [&](uint32_t a, uint32_t b) { return logits[a] > logits[b]; });
  if (s.top_k > 0) order.resize(std::min<size_t>(order.size(), std::min(s.top_k, kMaxTopK)));
  const double maximum = double{logits[order[0]]};
  const auto mass = [&](uint32_t id) {
    return std::exp((double{logits[id]} - maximum) / double{s.temperature});
  };
  double total = 0;
  for (const uint32_t id : order) total += mass(id);
  // Top-p keeps the largest until their mass reaches its share, and whatever equals the last of them.
  size_t kept = 0;
  for (double sum = 0; kept < order.size(); ++kept) {
    if (kept > 0 && sum >= double{s.top_p} * total && logits[order[kept]] < logits[order[kept - 1]]) break;
    sum += mass(order[kept]);
  }
  order.resize(kept);
  std::vector<double> result(logits.size());
  double sum = 0;
  for (const uint32_t id : order) {
    if (mass(id) < double{s.min_p}) continue;
    result[id] = mass(id);
    sum += mass(id);
  }
  for (double& p : result) p /= sum;
  return result;
}

/// The probability that a chi-square variable of so many degrees of freedom is as large, by Wilson and
/// Hilferty's approximation.
inline double chi_square_tail(double chi_square, double freedom) {
  const double spread = 2 / (9 * freedom);
  const double deviations = (std::cbrt(chi_square / freedom) - (1 - spread)) / std::sqrt(spread);
  return std::erfc(deviations / std::sqrt(2.0)) / 2;
}

/// Demands that `drawn` could be so many draws from `expected`: no token that was cut off, and a p-value of
/// the chi-square test above 1e-4.
inline void expect_drawn_from(const std::vector<double>& expected, const std::vector<uint32_t>& drawn) {
  struct Bin {
    double mean = 0;
    double count = 0;
  };
  std::vector<Bin> tokens(expected.size());
  for (size_t i = 0; i < expected.size(); ++i)
    tokens[i].mean = expected[i] * static_cast<double>(drawn.size());
  for (const uint32_t token : drawn) {
    ASSERT_LT(token, expected.size());
    ASSERT_GT(expected[token], 0) << "token " << token << " was cut off";
    ++tokens[token].count;
  }
  // Bins of at least five expected draws; rarer tokens are pooled, every 32nd id together and, where that is
  // still too little, all.
  const auto add = [](Bin& to, const Bin& bin) {
    to.mean += bin.mean;
    to.count += bin.count;
  };
  std::vector<Bin> bins;
  std::vector<Bin> pools(32);
  for (size_t i = 0; i < tokens.size(); ++i) {
    if (tokens[i].mean >= 5) {
      bins.push_back(tokens[i]);
    } else {
      add(pools[i % pools.size()], tokens[i]);
    }
  }
  Bin rest;
  for (const Bin& pool : pools) {
    if (pool.mean >= 5) {
      bins.push_back(pool);
    } else {
      add(rest, pool);
    }
  }
  if (rest.mean >= 5) {
    bins.push_back(rest);
  } else {
    EXPECT_LE(rest.count, rest.mean + 15);
  }
  if (bins.size() < 2) return;
  double chi_square = 0;
  for (const Bin& bin : bins) chi_square += (bin.count - bin.mean) * (bin.count - bin.mean) / bin.mean;
  EXPECT_GT(chi_square_tail(chi_square, static_cast<double>(bins.size() - 1)), 1e-4)
      << bins.size() << " bins";
}

/// Logits of a vocabulary as a model's: a few likely tokens and a long tail.
inline std::vector<float> model_logits(uint32_t vocabulary) {
  std::vector<float> logits = test::uniforms(vocabulary, vocabulary, -4, 4);
  for (uint32_t i = 0; i < vocabulary; i += 37) logits[i] += 3;
  return logits;
}

/// `logits` with the penalties for `counts`.
inline std::vector<float> penalised(std::vector<float> logits, const std::vector<uint32_t>& counts,
                                    const Sequence& s) {
  for (size_t i = 0; i < logits.size(); ++i) {
    if (counts[i] == 0) continue;
    logits[i] = logits[i] > 0 ? logits[i] / s.repeat_penalty : logits[i] * s.repeat_penalty;
    logits[i] -= s.presence_penalty + static_cast<float>(counts[i]) * s.frequency_penalty;
  }
  return logits;
}

}  // namespace caldera::kernels
