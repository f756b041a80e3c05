// What a product of weights with activations is to give: sums in double precision, and how far a kernel's may
// be from them.
#pragma once

#include <cmath>
#include <cstdint>
#include <span>
#include <vector>

#include "kernels/kernel_test.hpp"

namespace caldera::kernels {

/// Numbers, and for each how far a kernel's may be from it.
struct Expected {
  std::vector<double> values;
  std::vector<double> tolerance;
};

/// weights . x (+ bias) for each row; `bias`: (rows), or empty.
inline Expected expected_sums(const TestMatrix& weights, std::span<const double> x,
                              std::span<const float> bias) {
  const uint32_t rows = weights.get().rows;
  Expected sums{std::vector<double>(rows), std::vector<double>(rows)};
  for (uint32_t r = 0; r < rows; ++r) {
    double sum = bias.empty() ? 0 : double{bias[r]};
    double magnitude = std::abs(sum);
    for (size_t k = 0; k < x.size(); ++k) {
      const double term = weights.values[r * x.size() + k] * x[k];
      sum += term;
      magnitude += std::abs(term);
    }
    sums.values[r] = sum;
    // f32 sums in any order: an error of some eps = 2^-24 of the sum of magnitudes for each of the longest
    // chain of additions; codes and offsets may double the magnitudes. 64 eps is far above what is seen and
    // far below one wrong code.
    sums.tolerance[r] = magnitude * 64 * 0x1p-24;
  }
  return sums;
}

/// silu(even rows) * odd rows.
inline Expected expected_swiglu(const Expected& sums) {
  Expected outputs;
  for (size_t o = 0; o < sums.values.size() / 2; ++o) {
    const double gate = silu(sums.values[2 * o]);
    const double up = sums.values[2 * o + 1];
    outputs.values.push_back(gate * up);
    // |silu'| is at most 1.1.
    outputs.tolerance.push_back(1.1 * sums.tolerance[2 * o] * std::abs(up) +
                                (std::abs(gate) + sums.tolerance[2 * o]) * sums.tolerance[2 * o + 1] +
                                std::abs(gate * up) * 8 * 0x1p-24);
  }
  return outputs;
}

/// What an epilogue makes of `sums` in a row of outputs that held `before`, from output `first` on; the rest
/// stays as it was.
inline Expected expected_outputs(const Expected& sums, Epilogue epilogue, std::span<const float> before,
                                 uint32_t first) {
  Expected outputs{{before.begin(), before.end()}, std::vector<double>(before.size(), 0)};
  const Expected stored = epilogue == Epilogue::kSwiGlu ? expected_swiglu(sums) : sums;
  for (size_t o = 0; o < stored.values.size(); ++o) {
    double& value = outputs.values[first + o];
    value = stored.values[o] + (epilogue == Epilogue::kAdd ? value : 0);
    outputs.tolerance[first + o] = stored.tolerance[o] + std::abs(value) * 0x1p-23;
  }
  return outputs;
}

/// Expects each vector of `got` (vectors, stride) to be as expected: the first of them `expected`, the rest
/// untouched since `before`.
inline void expect_outputs(std::span<const float> got, std::span<const Expected> expected,
                           std::span<const float> before, uint32_t stride) {
  for (size_t i = 0; i < got.size(); ++i) {
    const size_t vector = i / stride;
    if (vector < expected.size()) {
      ASSERT_NEAR(got[i], expected[vector].values[i % stride], expected[vector].tolerance[i % stride])
          << "vector " << vector << ", output " << i % stride;
    } else {
      ASSERT_EQ(got[i], before[i]) << "vector " << vector << ", output " << i % stride;
    }
  }
}

}  // namespace caldera::kernels
