// How products of int8 vectors are cut into workgroups: what can be chosen, and for which products.
#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <vector>

#include "kernels/fragments.hpp"
#include "kernels/matrix_tiles.hpp"
#include "quant/format.hpp"

namespace caldera::kernels {

/// What a choice is made for. Products alike in all of this run alike.
struct ProductKey {
  quant::Format format = quant::Format::kF32;
  uint32_t rows = 0;
  uint32_t columns = 0;
  uint32_t vectors = 1;     ///< a power of two
  uint32_t group_rows = 0;  ///< that a workgroup must have, because it makes a unit of int8 vectors; 0: any
  bool pairs = false;       ///< rows are gate and up in turn: a subgroup has an even number
  // NOLINTNEXTLINE(modernize-use-nullptr): clang-tidy 14 takes the zero of a comparison for a pointer
  auto operator<=>(const ProductKey&) const = default;
};

/// The constants of matmul_int8.comp, all powers of two.
struct Int8Tile {
  uint32_t rows = 64;         ///< of a workgroup
  uint32_t columns = 64;      ///< of a workgroup: vectors
  uint32_t lane_rows = 4;     ///< of a lane
  uint32_t lane_columns = 4;  ///< of a lane
  uint32_t units = 4;         ///< of 32 weights that are in shared memory at once
  uint32_t slices = 1;        ///< groups of lanes that share the units
  uint32_t ahead = 1;         ///< 1: the next loads are under way while sums are made
  // NOLINTNEXTLINE(modernize-use-nullptr): as above
  auto operator<=>(const Int8Tile&) const = default;
};

/// The constants of matvec_units.comp, or with `fragments` matvec_fragments.comp; powers of two.
struct MatvecUnits {
  uint32_t tiles = 2;       ///< of a subgroup, each as many rows as a left matrix
  uint32_t row_groups = 1;  ///< subgroups of a workgroup with rows of their own
  uint32_t slices = 8;      ///< subgroups that share the columns of their rows
  uint32_t units = 2;       ///< of 32 weights of a row that a subgroup decodes at once
  uint32_t ahead = 1;       ///< 1: the next loads are under way while products are made
  uint32_t fragments = 0;   ///< 1: lanes decode what they hold of the matrices; `units` is 1
  // NOLINTNEXTLINE(modernize-use-nullptr): as above
  auto operator<=>(const MatvecUnits&) const = default;
};

/// The constants of matvec_int8.comp; or, where there is a tile, those of matmul_int8.comp instead; or, where
/// there are units, those of matvec_units.comp.
struct ProductChoice {
  uint32_t subgroups = 4;  ///< in a workgroup
  uint32_t rows = 2;       ///< that a subgroup computes at once
  uint32_t unroll = 1;     ///< loads of a row under way at once
  uint32_t passes = 1;     ///< times that a subgroup does so
  uint32_t ahead = 0;      ///< 1: the next loads are under way while sums are made
  std::optional<Int8Tile> tile{};
  std::optional<MatvecUnits> units{};
  // NOLINTNEXTLINE(modernize-use-nullptr): as above
  auto operator<=>(const ProductChoice&) const = default;
};

/// What workgroups of a device are.
struct WorkgroupLimits {
  uint32_t subgroup = 32;           ///< lanes
  uint32_t max_threads = 128;       ///< in a workgroup
  uint32_t max_shared = 32768;      ///< bytes that a workgroup shares
  std::vector<UnitShape> shapes{};  ///< of matrix units to be used; empty: none
  std::optional<FragmentLayout> fragments{};
};

}  // namespace caldera::kernels
