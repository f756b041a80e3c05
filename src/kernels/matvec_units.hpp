// How products of a few int8 vectors are cut up for matrix units (glsl/matvec_units.comp).
//
// Weights are the left matrices, so that 8 vectors fill a right one (m16 n8 k16 on NVIDIA). For a weight that
// costs, whatever the vectors: some 2 instructions to decode it, 2 bytes stored to shared memory and 2 loaded
// from it. On an H200 those are 1.1 ms of shared memory and 0.6 ms of instructions for the 8 G weights of a
// step, beside 1.0 ms of reading them. By integer dot products 8 vectors take 4 instructions a weight, and
// their codes are loaded anew for every few rows.
#pragma once

#include <cstdint>
#include <vector>

#include "kernels/product_choice.hpp"

namespace caldera::kernels {

/// Vectors that one product takes at most: more are for the tiles of prompts.
inline constexpr uint32_t kMaxUnitVectors = 32;

/// The shape of matrices to multiply with: the fewest columns that hold all vectors, of those the largest.
/// Errors: kInternal where there is none.
UnitShape matvec_shape(const std::vector<UnitShape>& shapes, uint32_t vectors);
/// The same for a choice that is possible_units(): with fragments it is theirs.
UnitShape matvec_shape(const MatvecUnits& units, const WorkgroupLimits& limits, uint32_t vectors);
/// Vectors that a workgroup computes, those beyond `vectors` for nothing.
uint32_t unit_columns(const UnitShape& shape, uint32_t vectors);
/// Rows of a workgroup.
uint32_t unit_rows(const MatvecUnits& units, const UnitShape& shape);

/// Whether the kernel can be made of `units` for products of this key: on a device with such matrices, in
/// workgroups that it has, of as many rows as the key demands, and sums and loads that stay in registers.
bool possible_units(const MatvecUnits& units, const ProductKey& key, const WorkgroupLimits& limits);

/// Those that are worth trying: some dozens, the one first to take on a device that nobody tuned for. None
/// where the device has no matrix units.
std::vector<MatvecUnits> matvec_units(const ProductKey& key, const WorkgroupLimits& limits);

/// How many values differ.
uint32_t differences(const MatvecUnits& a, const MatvecUnits& b);

}  // namespace caldera::kernels
