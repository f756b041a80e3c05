// How products of int8 vectors are cut into workgroups: what can be chosen, and for which products.
#pragma once

#include <compare>
#include <cstdint>
#include <optional>

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

/// The constants of matvec_int8.comp; or, where there is a tile, those of matmul_int8.comp instead.
struct ProductChoice {
  uint32_t subgroups = 4;  ///< in a workgroup
  uint32_t rows = 2;       ///< that a subgroup computes at once
  uint32_t unroll = 1;     ///< loads of a row under way at once
  uint32_t passes = 1;     ///< times that a subgroup does so
  uint32_t ahead = 0;      ///< 1: the next loads are under way while sums are made
  std::optional<Int8Tile> tile{};
  // NOLINTNEXTLINE(modernize-use-nullptr): as above
  auto operator<=>(const ProductChoice&) const = default;
};

/// What workgroups of a device are.
struct WorkgroupLimits {
  uint32_t subgroup = 32;       ///< lanes
  uint32_t max_threads = 128;   ///< in a workgroup
  uint32_t max_shared = 32768;  ///< bytes that a workgroup shares
};

}  // namespace caldera::kernels
