// Which lane holds which element of a matrix of VK_KHR_cooperative_matrix. Vulkan does not say, so it is
// asked of the device once: where the answer is one that glsl/matvec_fragments.comp is made for, lanes can
// make their elements themselves. It is for NVIDIA's m16 n8 k16 (PTX ISA, "Matrix Fragments for mma.m16n8k16
// with floating point type") and for devices whose lanes hold whole rows (RDNA 3's WMMA, twice each).
#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "kernels/matrix_tiles.hpp"
#include "vulkan/device.hpp"
#include "vulkan/pipeline_store.hpp"

namespace caldera::kernels {

/// How the lanes of a subgroup hold left matrices (m, k) and right ones (k, n) of f16. Lane l holds, of a
/// left matrix, rows r * m / rows_a_lane + l / lanes_a_row, and of a right one column l / lanes_a_row (modulo
/// what there is of them); of each the same k, which are those of no other l % lanes_a_row. Its elements of a
/// left matrix are in the order (k / 2, r, k % 2).
struct FragmentLayout {
  UnitShape shape;
  uint32_t lanes_a_row = 1;
  uint32_t rows_a_lane = 1;
};

/// What one lane saw (glsl/fragments.comp): the number of each element plus 1, 0 where there is no more.
struct SeenFragments {
  uint32_t left[32];   ///< row * k + column
  uint32_t right[32];  ///< row * n + column
};

/// The layout that all lanes' elements are in, if it is of the kind described.
std::optional<FragmentLayout> match_fragments(const UnitShape& shape, std::span<const SeenFragments> lanes);

/// Asks the device, for the shape with the fewest columns that has such a layout. Errors: DeviceLost.
std::optional<FragmentLayout> fragment_layout(vulkan::Device& device, vulkan::PipelineStore& pipelines,
                                              std::span<const UnitShape> shapes, uint32_t subgroup);

}  // namespace caldera::kernels
