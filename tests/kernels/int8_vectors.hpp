// Activations as int8 vectors (src/kernels/glsl/int8_vector.glsl has their layout): made for kernels that
// take them, and checked where kernels make them.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <span>
#include <vector>

#include "kernels/expected_product.hpp"
#include "plan/working_memory.hpp"
#include "support/random.hpp"

namespace caldera::kernels {

/// What memory of int8 vectors is filled with before a kernel runs.
inline constexpr std::byte kUntouchedByte{0xA5};

/// One int8 vector: value i is scales[i / 32] * codes[i].
struct Int8Vector {
  std::vector<int8_t> codes;
  std::vector<float> scales;
  std::vector<float> squares;  ///< of each unit, of a vector that is to be normalised; else 0

  std::vector<double> values() const {
    std::vector<double> values(codes.size());
    for (size_t i = 0; i < values.size(); ++i) values[i] = double{scales[i / 32]} * codes[i];
    return values;
  }
  /// Scale, sums of the values of both halves, and squares of a unit.
  std::array<float, 4> facts(size_t unit) const {
    std::array<int, 2> sums{};
    for (size_t i = 0; i < 32; ++i) sums[i / 16] += codes[32 * unit + i];
    const float scale = scales[unit];
    return {scale, scale * static_cast<float>(sums[0]), scale * static_cast<float>(sums[1]), squares[unit]};
  }
};

/// Where the parts of a vector of `columns` lie, in bytes.
struct Int8Layout {
  explicit Int8Layout(size_t columns) : plane(16 * ((columns / 32 + 3) / 4) + 16) {}
  size_t code(size_t i) const {
    const size_t unit = i / 32;
    return (unit % 4 * 2 + i % 32 / 16) * plane + 16 * (unit / 4) + i % 16;
  }
  size_t facts(size_t unit) const { return 8 * plane + 16 * unit; }

  size_t plane;
};

/// `out`: plan::int8_vector_bytes() bytes.
inline void store_int8(const Int8Vector& vector, std::span<std::byte> out) {
  const Int8Layout layout(vector.codes.size());
  for (size_t i = 0; i < vector.codes.size(); ++i) out[layout.code(i)] = std::byte(vector.codes[i]);
  for (size_t unit = 0; unit < vector.scales.size(); ++unit) {
    const std::array<float, 4> facts = vector.facts(unit);
    std::memcpy(&out[layout.facts(unit)], facts.data(), sizeof(facts));
  }
}

/// What an int8 vector of `columns` in memory stands for.
inline std::vector<double> int8_values(std::span<const std::byte> bytes, size_t columns) {
  const Int8Layout layout(columns);
  std::vector<double> values;
  for (size_t i = 0; i < columns; ++i) {
    float scale = 0;
    std::memcpy(&scale, &bytes[layout.facts(i / 32)], sizeof(scale));
    values.push_back(double{scale} * static_cast<int8_t>(bytes[layout.code(i)]));
  }
  return values;
}

/// A vector with codes from all over their range, among them both ends of it.
inline Int8Vector random_int8(uint32_t columns, uint32_t seed) {
  std::mt19937 random(seed);
  Int8Vector vector;
  for (uint32_t i = 0; i < columns; ++i)
    vector.codes.push_back(static_cast<int8_t>(static_cast<int>(random() % 255) - 127));
  for (uint32_t unit = 0; unit < columns / 32; ++unit) {
    vector.codes[32 * unit + random() % 32] = unit % 2 == 0 ? 127 : -127;
    vector.scales.push_back(test::uniform(random, 0x1p-8F, 0x1p-6F));
    vector.squares.push_back(test::uniform(random, 1, 100));
  }
  return vector;
}

/// Expects `bytes` to be the int8 vector of `expected`, of which each may be wrong by its tolerance before it
/// is rounded to a code. `squares`: of each unit, of a vector that is to be normalised.
inline void expect_int8(std::span<const std::byte> bytes, const Expected& expected,
                        const Expected& squares = {}) {
  const auto& [values, tolerance] = expected;
  ASSERT_EQ(bytes.size(), plan::int8_vector_bytes(values.size()));
  const Int8Layout layout(values.size());
  Int8Vector got;
  for (size_t i = 0; i < values.size(); ++i) got.codes.push_back(static_cast<int8_t>(bytes[layout.code(i)]));
  for (size_t unit = 0; unit < values.size() / 32; ++unit) {
    std::array<float, 4> facts{};
    std::memcpy(facts.data(), &bytes[layout.facts(unit)], sizeof(facts));
    const float scale = facts[0];
    got.scales.push_back(scale);
    got.squares.push_back(facts[3]);
    ASSERT_EQ(facts, got.facts(unit)) << "unit " << unit;
    if (squares.values.empty()) {
      ASSERT_EQ(facts[3], 0) << "unit " << unit;
    } else {
      ASSERT_NEAR(facts[3], squares.values[unit], squares.tolerance[unit]) << "unit " << unit;
    }
    double largest = 0;
    double wrong = 0;
    for (size_t i = 32 * unit; i < 32 * unit + 32; ++i) {
      largest = std::max(largest, std::abs(values[i]));
      wrong = std::max(wrong, tolerance[i]);
    }
    ASSERT_NEAR(scale, largest / 127, (wrong + largest * 0x1p-20) / 127) << "unit " << unit;
    for (size_t i = 32 * unit; i < 32 * unit + 32; ++i) {
      ASSERT_NE(got.codes[i], -128) << "value " << i;
      // Half a code, and the rounding of a quotient near 127.
      ASSERT_NEAR(double{scale} * got.codes[i], values[i], scale * (0.5 + 127 * 0x1p-20) + tolerance[i])
          << "value " << i;
    }
  }
}

/// What an int8 vector of `x` times a norm's `weight`, which is to be normalised, is to hold.
struct ExpectedNormed {
  Expected weighted;
  Expected squares;
};
inline ExpectedNormed expected_normed(const Expected& x, std::span<const float> weight) {
  ExpectedNormed normed;
  normed.squares = {std::vector<double>(weight.size() / 32, 0), std::vector<double>(weight.size() / 32, 0)};
  for (size_t i = 0; i < weight.size(); ++i) {
    const double value = x.values[i];
    const double wrong = x.tolerance[i];
    normed.weighted.values.push_back(value * weight[i]);
    normed.weighted.tolerance.push_back((wrong + std::abs(value) * 0x1p-23) * std::abs(weight[i]));
    normed.squares.values[i / 32] += value * value;
    // f32 sums of 32 squares, besides.
    normed.squares.tolerance[i / 32] +=
        2 * std::abs(value) * wrong + wrong * wrong + value * value * 32 * 0x1p-23;
  }
  return normed;
}

/// Expects `got` (recorded vectors) to begin with the int8 vectors of `expected`, the rest to be untouched.
/// `squares`: of each of them, where they are to be normalised.
inline void expect_int8_vectors(const std::vector<std::byte>& got, std::span<const Expected> expected,
                                uint32_t recorded, std::span<const Expected> squares = {}) {
  const size_t bytes = got.size() / recorded;
  for (uint32_t c = 0; c < recorded; ++c) {
    SCOPED_TRACE(::testing::Message() << "vector " << c);
    const auto vector = std::span(got).subspan(c * bytes, bytes);
    if (c < expected.size()) {
      expect_int8(vector, expected[c], squares.empty() ? Expected{} : squares[c]);
    } else {
      ASSERT_EQ(std::ranges::count(vector, kUntouchedByte), bytes);
    }
    if (::testing::Test::HasFatalFailure()) return;
  }
}

/// `count` int8 vectors of `columns` that nobody wrote.
inline DeviceArray<std::byte> untouched_int8(size_t count, uint32_t columns) {
  return DeviceArray<std::byte>(
      std::vector<std::byte>(count * plan::int8_vector_bytes(columns), kUntouchedByte));
}

}  // namespace caldera::kernels
