#include "kernels/int8_tile.hpp"

#include <algorithm>
#include <array>
#include <bit>

#include "quant/codebook.hpp"

namespace caldera::kernels {
namespace {

/// Sums of a lane, and vectors of 16 bytes that it has under way: what is more does not stay in registers.
constexpr uint32_t kMostSums = 32;
constexpr uint32_t kMostLoads = 32;
constexpr uint32_t kMostRows = 256;
constexpr uint32_t kMostUnits = 8;
/// Lanes of workgroups that are worth trying.
constexpr uint32_t kFewestLanes = 64;
constexpr uint32_t kMostLanes = 256;
/// Units that formats of grids are loaded in at once (kLoadUnits in glsl/formats).
constexpr uint32_t kGridUnits = 4;

bool of_grid(quant::Format format) {
  return !quant::grid_of(format).empty();
}

/// Columns that a tile for this many vectors can use.
uint32_t most_columns(uint32_t vectors) {
  return std::clamp(std::bit_ceil(vectors), 1U, 64U);
}

}  // namespace

uint32_t lanes(const Int8Tile& tile) {
  return tile.rows / tile.lane_rows * (tile.columns / tile.lane_columns) * tile.slices;
}

uint32_t shared_bytes(const Int8Tile& tile, quant::Format format) {
  // The arrays of glsl/matmul_int8.comp, in their order.
  const uint32_t weights = 2 * tile.units * (tile.rows + 1) * 16;
  const uint32_t scales = tile.units * tile.rows * 16 + 16;
  const uint32_t vectors = 2 * tile.units * (tile.columns + 1) * 16 + tile.units * tile.columns * 16;
  const uint32_t sums = tile.slices * (tile.columns / tile.lane_columns) * tile.rows * 4;
  const uint32_t squares = tile.slices * tile.columns * 4;
  // Tables (glsl/int8_units.glsl): entries of a grid, of which the largest has 2048, or pairs of values.
  const uint32_t tables = of_grid(format) ? 2048 * 4 : 256 * 4;
  return weights + scales + vectors + sums + squares + tables;
}

bool possible_tile(const Int8Tile& tile, const ProductKey& key, const WorkgroupLimits& limits) {
  for (const uint32_t value :
       {tile.rows, tile.columns, tile.lane_rows, tile.lane_columns, tile.units, tile.slices}) {
    if (!std::has_single_bit(value) || value > kMostRows) return false;
  }
  if (tile.ahead > 1 || tile.lane_rows > tile.rows || tile.lane_columns > tile.columns ||
      tile.slices > tile.units || tile.units > kMostUnits ||
      (of_grid(key.format) && tile.units < kGridUnits) || tile.columns > std::max(8U, key.vectors) ||
      tile.lane_rows * tile.lane_columns > kMostSums) {
    return false;
  }
  const uint32_t threads = lanes(tile);
  if (threads > limits.max_threads || threads % limits.subgroup != 0 ||
      shared_bytes(tile, key.format) > limits.max_shared) {
    return false;
  }
  // Of weights a unit is up to two vectors of 16 bytes, of activations three.
  const uint32_t loads = (2 * tile.rows * tile.units + 3 * tile.columns * tile.units + threads - 1) / threads;
  if (loads > kMostLoads) return false;
  // Four outputs of a column are stored at once.
  const uint32_t least_rows = std::max(key.group_rows, key.pairs ? 8U : 4U);
  return tile.rows % least_rows == 0;
}

Int8Tile usual_int8_tile(const ProductKey& key, const WorkgroupLimits& limits) {
  Int8Tile tile;
  if (key.vectors <= 8) {
    // Weights stream: many loads under way, and every lane has whole rows.
    tile = {64, 8, 2, 8, 8, 4, 1};
  } else if (key.vectors <= 32) {
    tile = {64, std::bit_ceil(key.vectors), 4, 4, 4, key.vectors <= 16 ? 2U : 1U, 1};
  } else {
    // RADV's code for gfx1151 has 395 cycles of vector arithmetic for 256 dot products: 0.43 a multiplication
    // with all around it. Four units at once are no faster there, and take the registers of a subgroup more.
    tile = {64, 64, 4, 8, of_grid(key.format) ? kGridUnits : 2U, 1, 1};
  }
  // Wide subgroups, and devices with little of what they share.
  while (!possible_tile(tile, key, limits) && tile.columns > 8) {
    tile.columns /= 2;
    tile.lane_columns = std::min(tile.lane_columns, 4U);
  }
  if (possible_tile(tile, key, limits)) return tile;
  tile = {64, 8, 4, 4, 4, 2, 1};
  return tile;
}

std::vector<Int8Tile> int8_tiles(const ProductKey& key, const WorkgroupLimits& limits) {
  std::vector<Int8Tile> all;
  const uint32_t most = most_columns(key.vectors);
  for (const uint32_t rows : {32U, 64U, 128U}) {
    for (const uint32_t columns : {8U, 16U, 32U, 64U}) {
      if (columns > std::max(most, 8U) || columns * 4 < most) continue;
      for (const auto& [lane_rows, lane_columns] :
           std::array<std::pair<uint32_t, uint32_t>, 4>{{{2, 8}, {4, 4}, {4, 8}, {8, 4}}}) {
        for (const uint32_t slices : {1U, 2U, 4U, 8U}) {
          // Few columns leave shared memory for more units.
          for (const uint32_t units : columns > 16 ? std::array{2U, 4U} : std::array{4U, 8U}) {
            const Int8Tile tile{rows, columns, lane_rows, lane_columns, units, slices, 1};
            if (!possible_tile(tile, key, limits)) continue;
            if (lanes(tile) >= kFewestLanes && lanes(tile) <= kMostLanes) all.push_back(tile);
          }
        }
      }
    }
  }
  return all;
}

uint32_t differences(const Int8Tile& a, const Int8Tile& b) {
  return static_cast<uint32_t>(a.rows != b.rows) + static_cast<uint32_t>(a.columns != b.columns) +
         static_cast<uint32_t>(a.lane_rows != b.lane_rows || a.lane_columns != b.lane_columns) +
         static_cast<uint32_t>(a.units != b.units) + static_cast<uint32_t>(a.slices != b.slices) +
         static_cast<uint32_t>(a.ahead != b.ahead);
}

}  // namespace caldera::kernels
