// The cos and sin that the rope kernel composes its rotations from.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "model/spec.hpp"

namespace caldera::model {

/// The angle a position step turns each pair by, (rotated / 2), after scaling. `factors` divide the
/// frequencies (rope_freqs.weight); empty: none. Linear: positions divided by the factor. YaRN:
/// https://arxiv.org/abs/2309.00071, section 3.
std::vector<double> rope_frequencies(const RopeSpec& rope, std::span<const float> factors);

/// What YaRN multiplies cos and sin by.
double rope_magnitude(const RopeSpec& rope);

/// The table of glsl/rope.comp: pairs (cos, sin), 256 fine rows for positions 0 to 255 (with the magnitude in
/// them), then one coarse row for every 256 positions up to `context`; (rows, rotated / 2).
std::vector<float> rope_table(const RopeSpec& rope, std::span<const float> factors, uint32_t context);

/// What turns a key back by `distance` positions: pairs (cos, sin) of minus its angles, (rotated / 2). The
/// magnitude is in the key already, and not in these.
std::vector<float> rope_turn(const RopeSpec& rope, std::span<const float> factors, uint32_t distance);

}  // namespace caldera::model
