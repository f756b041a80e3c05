#include "model/rope_table.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "kernels/state.hpp"

namespace caldera::model {
namespace {

/// The pair that turns `rotations` times over the original context (YaRN, equation 17 solved for the
/// dimension).
double correction_pair(const RopeSpec& rope, double rotations) {
  return rope.rotated * std::log(rope.original_context / (rotations * 2 * std::numbers::pi)) /
         (2 * std::log(rope.base));
}

}  // namespace

std::vector<double> rope_frequencies(const RopeSpec& rope, std::span<const float> factors) {
  const uint32_t pairs = rope.rotated / 2;
  std::vector<double> frequencies(pairs);
  double low = 0;
  double high = 0;
  if (rope.scaling == RopeScaling::kYarn) {
    low = std::max(0.0, std::floor(correction_pair(rope, rope.beta_fast)));
    high = std::min(rope.rotated - 1.0, std::ceil(correction_pair(rope, rope.beta_slow)));
  }
  for (uint32_t i = 0; i < pairs; ++i) {
    double frequency = std::pow(rope.base, -2.0 * i / rope.rotated);
    if (i < factors.size()) frequency /= factors[i];
    const double interpolated = frequency / rope.factor;
    if (rope.scaling == RopeScaling::kLinear) {
      frequency = interpolated;
    } else if (rope.scaling == RopeScaling::kYarn) {
      const double ramp = std::clamp((i - low) / std::max(0.001, high - low), 0.0, 1.0);
      const double keep = (1 - ramp) * rope.extrapolation;
      frequency = interpolated * (1 - keep) + frequency * keep;
    }
    frequencies[i] = frequency;
  }
  return frequencies;
}

double rope_magnitude(const RopeSpec& rope) {
  if (rope.scaling != RopeScaling::kYarn) return 1;
  const double natural = rope.extrapolation != 0 && rope.factor > 1 ? 1 + 0.1 * std::log(rope.factor) : 1;
  return rope.attention_factor * natural;
}

std::vector<float> rope_table(const RopeSpec& rope, std::span<const float> factors, uint32_t context) {
  const std::vector<double> frequencies = rope_frequencies(rope, factors);
  const double magnitude = rope_magnitude(rope);
  const uint32_t coarse_rows = context / kernels::kRopeFineRows + 1;
  std::vector<float> table;
  table.reserve((size_t{kernels::kRopeFineRows} + coarse_rows) * frequencies.size() * 2);
  const auto add_row = [&](double position, double scale) {
    for (const double frequency : frequencies) {
      table.push_back(static_cast<float>(std::cos(position * frequency) * scale));
      table.push_back(static_cast<float>(std::sin(position * frequency) * scale));
    }
  };
  for (uint32_t row = 0; row < kernels::kRopeFineRows; ++row) add_row(row, magnitude);
  for (uint32_t row = 0; row < coarse_rows; ++row) add_row(double{kernels::kRopeFineRows} * row, 1);
  return table;
}

std::vector<float> rope_turn(const RopeSpec& rope, std::span<const float> factors, uint32_t distance) {
  std::vector<float> turn;
  for (const double frequency : rope_frequencies(rope, factors)) {
    turn.push_back(static_cast<float>(std::cos(distance * frequency)));
    turn.push_back(static_cast<float>(-std::sin(distance * frequency)));
  }
  return turn;
}

}  // namespace caldera::model
