// What the block formats share: f16 scales in a block, and the rounding that their encoders use.
//
// Encoders round every scale away from zero, so that a block's range always covers its weights, and then each
// weight to the nearest step: no weight is further from its code than half a step (a whole step at the one
// end where a two's complement range is a step shorter).
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>

#include "quant/half.hpp"

namespace caldera::quant {

inline constexpr float kMaxF16 = 65504.0f;

/// The f16 stored little-endian at `bytes`.
inline float load_f16(const uint8_t (&bytes)[2]) {
  return float_from_f16(static_cast<uint16_t>(bytes[0] | bytes[1] << 8));
}

/// Stores a finite `value` as the smallest f16 that is not below it in magnitude (65504 at most), and returns
/// what was stored.
inline double store_f16_away_from_zero(double value, uint8_t (&bytes)[2]) {
  const double magnitude = std::min(std::abs(value), static_cast<double>(kMaxF16));
  uint16_t half = f16_from_float(static_cast<float>(magnitude));
  if (float_from_f16(half) < magnitude) ++half;
  if (value < 0) half |= 0x8000u;
  bytes[0] = static_cast<uint8_t>(half);
  bytes[1] = static_cast<uint8_t>(half >> 8);
  return float_from_f16(half);
}

/// A weight as the block encoders see it: a NaN counts as zero, an infinity as the largest float.
inline double finite(float weight) {
  if (std::isnan(weight)) return 0;
  constexpr double kMax = std::numeric_limits<float>::max();
  return std::clamp(static_cast<double>(weight), -kMax, kMax);
}

/// The integer in [low, high] nearest to value / step; zero if there is no step.
inline int nearest_step(double value, double step, int low, int high) {
  if (step == 0) return std::clamp(0, low, high);
  return static_cast<int>(
      std::clamp(std::round(value / step), static_cast<double>(low), static_cast<double>(high)));
}

/// The fewest steps, up to `high`, that reach a value >= 0.
inline int covering_steps(double value, double step, int high) {
  if (step == 0) return 0;
  return static_cast<int>(std::min(std::ceil(value / step), static_cast<double>(high)));
}

struct Range {
  double low;
  double high;
};

/// The least and the greatest of `count` > 0 weights.
inline Range range_of(const float* weights, size_t count) {
  Range range{finite(weights[0]), finite(weights[0])};
  for (size_t i = 1; i < count; ++i) {
    range.low = std::min(range.low, finite(weights[i]));
    range.high = std::max(range.high, finite(weights[i]));
  }
  return range;
}

/// The weight of greatest magnitude, with its sign.
inline double extreme_of(const float* weights, size_t count) {
  const Range range = range_of(weights, count);
  return -range.low > range.high ? range.low : range.high;
}

}  // namespace caldera::quant
