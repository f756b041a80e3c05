#include "kernels/matrix_tiles.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include "caldera/error.hpp"
#include "quant/codebook.hpp"

namespace caldera::kernels {
namespace {

/// Sums of a lane: with as many again for inputs, what is loaded and addresses, they fill 255 registers.
constexpr uint32_t kMostSums = 128;
/// 16-byte pieces of f32 activations that a lane has under way.
constexpr uint32_t kMostPieces = 16;
/// Workgroups that fill a large device: two on each of 132 multiprocessors.
constexpr uint32_t kFilling = 256;
/// Workgroups that fill it so often that larger tiles fill it too.
constexpr uint32_t kOverfilling = 16 * kFilling;

/// Steps that a part of the columns has at least: its first loads and its sums are to be a small share of it.
constexpr uint32_t kFewestSteps = 4;

/// Tokens of a tile, where there are as many: for fewer than these each weight is decoded too often.
constexpr uint32_t kLeastTokens = 64;

struct Size {
  uint32_t tokens, rows, tile_tokens, tile_rows;
};

constexpr Size kSoftwareSize{16, 16, 8, 8};
// How large a tile is best. On an H100 or H200 a multiprocessor reads 128 bytes of shared memory a clock, and
// at the 411 TFLOP/s that matrix instructions reach from registers does 1570 operations in it. A subgroup's
// tile of t tokens and r rows reads 32 (t + r) bytes for 32 t r operations: of 64 x 64 that busies shared
// memory for 38 % of the time that it multiplies, of 64 x 32 for 58 %, of 32 x 32 for 77 %; what a workgroup
// of 128 x 128 stores is 19 % more. The 128 sums of 64 x 64, 32 registers of inputs, and what is loaded and
// where, are some 220 registers: two workgroups of four subgroups a multiprocessor, of which one decodes
// weights and stores while the other multiplies. Decoding takes about 3 instructions a weight, for 128 tokens
// 14 % of the slots for instructions. From the second cache come 8 KiB of activations and 2 to 4 of weights
// for each 667 clocks of multiplying, 15 bytes a clock of about 24: f32 would be 27. So 300 TFLOP/s, 73 %, is
// what the tiles leave room for. An H200 does 310 so (Q4_K, 2048 tokens), and 457 where nothing but inputs in
// shared memory is multiplied. Tiles of 64 x 32 would let four subgroups share a scheduler, but drivers give
// them more than 128 registers, so that only two do: 230.
//
// On gfx1151 a SIMD takes 32 clocks for 8192 operations, and decodes with the same ALUs: 3 instructions a
// weight for 128 tokens are 9 % of it. 64 x 64 reads 8 KiB, both halves of a subgroup the same, in 512
// clocks, where the share of a SIMD is 64 bytes a clock: 25 %. A workgroup of 128 x 128 asks for 5 bytes a
// clock and compute unit, of which memory gives 1.9: the rest is in the caches, because workgroups side by
// side read the same weights.

/// Columns at a time and buffers. A step of 64 columns reads 128 bytes of each token, a whole line of a
/// cache: on an H200 it is 20 to 50 % faster in one buffer than half a step is in two.
constexpr std::array kSteps = {std::pair(64U, 1U), std::pair(32U, 2U), std::pair(32U, 1U)};

/// What is tried, large to small.
constexpr std::array kSizes = {
    Size{128, 256, 64, 64}, Size{256, 128, 64, 64}, Size{256, 64, 64, 64}, Size{128, 128, 64, 64},
    Size{128, 128, 64, 32}, Size{128, 64, 64, 32},  Size{64, 128, 32, 64}, Size{64, 64, 32, 32},
    Size{64, 32, 32, 16},   Size{32, 128, 32, 32},  Size{32, 64, 16, 32},  Size{16, 128, 16, 32},
    Size{16, 64, 16, 16},
};
/// Rows of tiles that are for products which larger ones leave most of a device idle in: 64 sequences by 4096
/// rows are 64 tiles of 64 x 64.
constexpr uint32_t kFewRows = 32;
/// Large to small; each is the usual one where its workgroups fill a device, and those before it do not.
constexpr std::array kUsualSizes = {
    Size{128, 128, 64, 64}, Size{128, 64, 64, 32}, Size{64, 64, 32, 32},
    Size{32, 64, 16, 32},   Size{16, 64, 16, 16},
};

MatrixTiles tiles_of(const Size& size, uint32_t step, uint32_t buffers, const UnitShape& shape) {
  return {size.tokens, size.rows, size.tile_tokens, size.tile_rows, step, buffers, shape};
}

/// Workgroups of a product in `tiles`, with the columns in one part.
uint64_t workgroups(const MatrixKey& key, uint32_t tokens, uint32_t rows) {
  return uint64_t{std::max(key.tokens / tokens, 1U)} * ((key.rows + rows - 1) / rows);
}

/// `tiles` with as many parts as let a product have some `wanted` workgroups.
MatrixTiles in_parts(MatrixTiles tiles, const MatrixKey& key, uint64_t wanted) {
  const uint64_t groups = workgroups(key, tiles.tokens, tiles.rows);
  const uint64_t most = std::min<uint64_t>(kMostMatrixParts, key.columns / tiles.step / kFewestSteps);
  tiles.parts = static_cast<uint32_t>(std::max<uint64_t>(std::min(wanted / groups, most), 1));
  return tiles;
}

/// Bytes of the table that a format's codes are looked up in (glsl/int8_units.glsl).
uint32_t table_bytes(quant::Format format) {
  if (const quant::Grid grid = quant::grid_of(format); !grid.empty()) {
    return static_cast<uint32_t>(2 * grid.size() * sizeof(uint32_t));
  }
  const bool values =
      format == quant::Format::kIQ4_NL || format == quant::Format::kIQ4_XS || format == quant::Format::kMXFP4;
  return values ? 256 * sizeof(uint32_t) : 0;
}

}  // namespace

std::vector<UnitShape> unit_shapes(const vulkan::PhysicalDevice& device, VkComponentTypeKHR inputs) {
  std::vector<UnitShape> shapes;
  for (const vulkan::MatrixShape& shape : device.matrix_shapes) {
    const bool fits = shape.a == inputs && shape.b == shape.a && shape.c == VK_COMPONENT_TYPE_FLOAT32_KHR &&
                      shape.result == shape.c && shape.k % 8 == 0 && shape.n % 4 == 0;
    if (fits) shapes.push_back({shape.m, shape.n, shape.k});
  }
  std::ranges::sort(shapes, std::greater{}, [](const UnitShape& shape) {
    return std::array{shape.m * shape.n * shape.k, shape.m, shape.n};
  });
  shapes.erase(std::unique(shapes.begin(), shapes.end()), shapes.end());
  return shapes;
}

bool takes_bf16(quant::Format format, const MatrixUnits& units) {
  return format == quant::Format::kBF16 && !units.bf16_shapes.empty();
}

const std::vector<UnitShape>& shapes_for(quant::Format format, const MatrixUnits& units) {
  return takes_bf16(format, units) ? units.bf16_shapes : units.shapes;
}

uint64_t shared_bytes(const MatrixTiles& tiles, quant::Format format) {
  constexpr uint64_t kPiece = 16;
  const uint64_t inputs = uint64_t{tiles.buffers} * (tiles.tokens + tiles.rows) * (tiles.step / 8 + 1);
  const uint64_t results = uint64_t{tiles.subgroups()} * tiles.shape.m * (tiles.tile_rows / 4 + 1);
  return kPiece * std::max(inputs, results) + table_bytes(format);
}

bool possible(const MatrixTiles& tiles, quant::Format format, const MatrixUnits& units) {
  const UnitShape& shape = tiles.shape;
  for (const uint32_t value : {tiles.tokens, tiles.rows, tiles.tile_tokens, tiles.tile_rows}) {
    if (value == 0 || value > 512) return false;
  }
  const std::vector<UnitShape>& shapes = shapes_for(format, units);
  if (std::ranges::find(shapes, shape) == shapes.end()) return false;
  if (tiles.parts < 1 || tiles.parts > kMostMatrixParts) return false;
  if (tiles.buffers < 1 || tiles.buffers > 2 || (tiles.step != 32 && tiles.step != 64)) return false;
  if (tiles.tokens % tiles.tile_tokens != 0 || tiles.rows % tiles.tile_rows != 0 ||
      tiles.tile_tokens % shape.m != 0 || tiles.tile_rows % shape.n != 0 || tiles.step % shape.k != 0) {
    return false;
  }
  const uint32_t threads = tiles.subgroups() * units.subgroup;
  return threads <= units.max_threads && tiles.tile_tokens * tiles.tile_rows / units.subgroup <= kMostSums &&
         tiles.tokens * tiles.step / 4 <= kMostPieces * threads &&
         shared_bytes(tiles, format) <= units.max_shared_bytes;
}

MatrixTiles usual_tiles(const MatrixKey& key, const MatrixUnits& units) {
  if (units.shapes.empty()) throw Error(ErrorKind::kInternal, "a product on matrix units that are not there");
  const UnitShape& shape = shapes_for(key.format, units).front();
  if (units.software) return tiles_of(kSoftwareSize, 32, 2, shape);
  MatrixTiles usual;
  for (const Size& size : kUsualSizes) {
    // A tile that the tokens do not fill multiplies what nobody wants; one of few tokens decodes each weight
    // for too few of them.
    const bool too_tall = size.tokens > std::max(key.tokens, kUsualSizes.back().tokens);
    const bool too_flat = size.tokens < std::min(key.tokens, kLeastTokens) && usual.tokens > 0;
    if (too_tall || too_flat) continue;
    // Half a step elsewhere: of a whole one of f32 activations what is under way does not fit AMD's
    // registers.
    MatrixTiles tiles = tiles_of(size, 64, 1, shape);
    if (!units.whole_steps || !possible(tiles, key.format, units)) tiles = tiles_of(size, 32, 2, shape);
    if (!possible(tiles, key.format, units)) tiles.buffers = 1;
    if (!possible(tiles, key.format, units)) continue;
    usual = tiles;
    if (workgroups(key, size.tokens, size.rows) >= kFilling) break;
  }
  if (usual.tokens == 0) throw Error(ErrorKind::kInternal, "matrix units without tiles that fit the device");
  return in_parts(usual, key, kFilling);
}

std::vector<MatrixTiles> matrix_candidates(const MatrixKey& key, const MatrixUnits& units) {
  std::vector<MatrixTiles> all{usual_tiles(key, units)};
  if (units.software) {  // which compiles large tiles for minutes
    all.push_back(all.front());
    all.back().buffers = 1;
    return all;
  }
  // Every candidate takes the tuner's time, most of it the compiler's.
  for (const Size& size : kSizes) {
    // Twice as many tokens as there are is as far as a tile may reach; tiles of few tokens are for few.
    if (size.tokens > std::max(2 * key.tokens, kUsualSizes.back().tokens)) continue;
    if (size.tokens < std::min(key.tokens / 4, kLeastTokens)) continue;
    const uint64_t groups = workgroups(key, size.tokens, size.rows);
    if (groups > kOverfilling && all.size() > 2) continue;
    if (size.rows == kFewRows && groups > kFilling) continue;
    for (const auto& [step, buffers] : kSteps) {
      const MatrixTiles tiles = in_parts(tiles_of(size, step, buffers, all.front().shape), key, kFilling);
      // Half a step in one buffer: nothing is hidden where no second workgroup shares a multiprocessor.
      if (step == 32 && buffers == 1 && tiles.subgroups() >= 8) continue;
      if (!possible(tiles, key.format, units) || std::ranges::find(all, tiles) != all.end()) continue;
      all.push_back(tiles);
      break;  // the first of these that fits is best, and of the usual tiles the second is tried too
    }
  }
  // Parts fill the device, but each costs a pass of sums through memory: none, and twice as many, are tried
  // too.
  for (const uint64_t wanted : {uint64_t{0}, uint64_t{2} * kFilling}) {
    const MatrixTiles tiles = in_parts(all.front(), key, wanted);
    if (std::ranges::find(all, tiles) == all.end()) all.insert(all.begin() + 1, tiles);
  }
  return all;
}

}  // namespace caldera::kernels
