// Which tiles products of many int8 vectors (glsl/matmul_int8.comp) are made in.
//
// What a tile costs, for a lane and a unit of 32 columns: 8 dot products and 4 to 7 instructions of floats
// for each of its lane_rows x lane_columns sums, and loads from shared memory of 40 or 48 bytes for each of
// its rows and columns. With 4 x 8 that is 384 instructions beside 30 loads of 16 bytes, most of which
// several lanes share: shared memory is then busy for a fifth to a third of the time that arithmetic takes,
// on AMD (128 bytes a clock for 64 lanes) and NVIDIA (for 64 integer dot products) alike.
#pragma once

#include <cstdint>
#include <vector>

#include "kernels/product_choice.hpp"

namespace caldera::kernels {

/// What the tiles of some formats need at least; devices of Vulkan have 16 KiB or more.
inline constexpr uint32_t kLeastShared = 32768;

/// Lanes of a workgroup.
uint32_t lanes(const Int8Tile& tile);
/// Bytes of shared memory that a workgroup takes.
uint32_t shared_bytes(const Int8Tile& tile, quant::Format format);

/// Whether the kernel can be made of `tile` for products of this key: workgroups that the device has, results
/// in whole units where they become int8 vectors, and sums and loads that stay in registers.
bool possible_tile(const Int8Tile& tile, const ProductKey& key, const WorkgroupLimits& limits);

/// What is taken on a device that nobody tuned for; possible where workgroups share kLeastShared bytes.
Int8Tile usual_int8_tile(const ProductKey& key, const WorkgroupLimits& limits);

/// Those that are worth trying: some dozens.
std::vector<Int8Tile> int8_tiles(const ProductKey& key, const WorkgroupLimits& limits);

/// How many values differ between two tiles.
uint32_t differences(const Int8Tile& a, const Int8Tile& b);

}  // namespace caldera::kernels
