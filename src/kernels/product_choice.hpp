// How products of int8 vectors are cut into workgroups: what can be chosen, and for which products.
#pragma once

#include <compare>
#include <cstdint>

#include "quant/format.hpp"

namespace caldera::kernels {

/// What a choice is made for. Products alike in all of this run alike.
struct ProductKey {
  quant::Format format = quant::Format::kF32;
  uint32_t rows = 0;
  uint32_t columns = 0;
  uint32_t vectors = 1;        ///< 1, 2, 4 or 8
  bool norm = false;           ///< the product normalises its vector itself
  bool makes_vectors = false;  ///< its result is int8 vectors: a workgroup has 64 rows
  auto operator<=>(const ProductKey&) const = default;
};

/// The constants of matvec_int8.comp.
struct ProductChoice {
  uint32_t subgroups = 4;  ///< in a workgroup
  uint32_t rows = 2;       ///< that a subgroup computes at once
  uint32_t unroll = 1;     ///< loads of a row under way at once
  uint32_t passes = 1;     ///< times that a subgroup does so
  auto operator<=>(const ProductChoice&) const = default;
};

/// What workgroups of a device are.
struct WorkgroupLimits {
  uint32_t subgroup = 32;      ///< lanes
  uint32_t max_threads = 128;  ///< in a workgroup
};

}  // namespace caldera::kernels
