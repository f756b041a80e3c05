// How products on matrix units are cut up: what can be chosen, for which products, and the usual choice.
#pragma once

#include <compare>
#include <cstdint>
#include <vector>

#include "quant/format.hpp"
#include "vulkan/instance.hpp"

namespace caldera::kernels {

/// What a choice is made for. Products alike in all of this run alike.
struct MatrixKey {
  quant::Format format = quant::Format::kF32;
  uint32_t rows = 0;
  uint32_t columns = 0;
  uint32_t tokens = 0;  ///< a power of two
  // NOLINTNEXTLINE(modernize-use-nullptr): clang-tidy 14 takes the zero of a comparison for a pointer
  auto operator<=>(const MatrixKey&) const = default;
};

/// One matrix instruction of f16 or bf16 with sums in f32: (m, k) times (k, n).
struct UnitShape {
  uint32_t m = 0;  ///< tokens
  uint32_t n = 0;  ///< rows of weights
  uint32_t k = 0;  ///< columns of weights
  // NOLINTNEXTLINE(modernize-use-nullptr): as above
  auto operator<=>(const UnitShape&) const = default;
};

inline constexpr uint32_t kMostMatrixParts = 16;

/// The constants of glsl/matmul_units.comp.
struct MatrixTiles {
  uint32_t tokens = 0;       ///< that a workgroup computes
  uint32_t rows = 0;         ///< that a workgroup computes
  uint32_t tile_tokens = 0;  ///< that a subgroup computes
  uint32_t tile_rows = 0;    ///< that a subgroup computes
  uint32_t step = 32;        ///< columns at a time
  uint32_t buffers = 2;      ///< steps that shared memory holds: 1 or 2
  UnitShape shape;
  /// That the columns are cut into, each a workgroup's: up to kMostMatrixParts. Fewer where there is no room
  /// for their sums (Product::part_sums).
  uint32_t parts = 1;
  // NOLINTNEXTLINE(modernize-use-nullptr): as above
  auto operator<=>(const MatrixTiles&) const = default;

  uint32_t subgroups() const { return tokens / tile_tokens * (rows / tile_rows); }
};

/// What a device's matrix units and workgroups are.
struct MatrixUnits {
  std::vector<UnitShape> shapes;  ///< largest first; empty: no such units
  uint32_t subgroup = 32;         ///< lanes
  uint32_t max_threads = 128;     ///< in a workgroup
  uint32_t max_shared_bytes = 0;  ///< of a workgroup
  bool software = false;
  bool whole_steps = false;  ///< a step of 64 columns leaves enough registers, and is faster than half of one
  std::vector<UnitShape> bf16_shapes{};  ///< of inputs in bf16, largest first; empty: no such units
};

inline constexpr uint32_t kVendorNvidia = 0x10DE;

/// The shapes of a device that multiply `inputs` (f16 or bf16) and sum in f32.
std::vector<UnitShape> unit_shapes(const vulkan::PhysicalDevice& device,
                                   VkComponentTypeKHR inputs = VK_COMPONENT_TYPE_FLOAT16_KHR);

/// Whether weights of `format` are multiplied as bf16: those that are bf16, where the units can. f16 has bits
/// to spare for a weight in bf16, but not its range.
bool takes_bf16(quant::Format format, const MatrixUnits& units);

/// The shapes that weights of `format` are multiplied in.
const std::vector<UnitShape>& shapes_for(quant::Format format, const MatrixUnits& units);

/// Bytes of shared memory that the kernel takes for weights of `format`.
uint64_t shared_bytes(const MatrixTiles& tiles, quant::Format format);

/// Whether the kernel can be made of `tiles` for weights of `format`: of a shape that the device has,
/// workgroups that it has, and sums that stay in registers.
bool possible(const MatrixTiles& tiles, quant::Format format, const MatrixUnits& units);

/// The tiles to take where nothing better is known. Errors: kInternal where the units have no shape.
MatrixTiles usual_tiles(const MatrixKey& key, const MatrixUnits& units);

/// Every possible choice that is worth trying, the usual one first.
std::vector<MatrixTiles> matrix_candidates(const MatrixKey& key, const MatrixUnits& units);

}  // namespace caldera::kernels
