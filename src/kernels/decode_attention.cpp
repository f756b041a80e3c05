#include "kernels/decode_attention.hpp"

#include <algorithm>
#include <vector>

#include "kernels/state.hpp"

namespace caldera::kernels {
namespace {

/// Numbers of a tile of keys; as many values come with it. On an H200 8 subgroups of 32 lanes with 4 KB of
/// each under way fill a multiprocessor's registers.
constexpr uint32_t kTileNumbers = 2048;
constexpr uint32_t kSubgroups = 8;
constexpr uint32_t kManyHeads = 8;
/// Sums of larger heads leave too few registers for what is under way.
constexpr uint32_t kMostHead = 128;

/// Of the shapes that serve `sharing` heads at once the one with the least columns for nothing.
std::optional<UnitShape> shape_for(uint32_t sharing, uint32_t head, const std::vector<UnitShape>& shapes) {
  std::optional<UnitShape> best;
  for (const UnitShape& shape : shapes) {  // largest first
    if (head % shape.m != 0 || head % shape.k != 0 || shape.n % 4 != 0) continue;
    const bool less = best && shape.n < best->n && shape.n >= sharing;
    if (!best || less) best = shape;
  }
  return best;
}

}  // namespace

uint64_t shared_bytes(const DecodeAttentionSizes& sizes, uint32_t head) {
  constexpr uint64_t kPiece = 16;
  const uint64_t pieces = head / 8;
  const uint64_t share = sizes.keys * (pieces + 1) + uint64_t{sizes.units->n} * (sizes.keys / 8 + 1);
  return kPiece * (sizes.subgroups * share + sizes.units->n * (pieces + 1) + 2 * pieces) +
         uint64_t{8} * sizes.subgroups * sizes.heads + 4;
}

std::optional<DecodeAttentionSizes> decode_attention_on_units(uint32_t head, uint32_t sharing,
                                                              const AttentionUnits& units) {
  // Timed on NVIDIA's only (loads_turned), whose matrices load as fast with their rows the other way, as
  // those of values do. For gfx1151 the compiled code was counted (halves_twice: AMD's). With 16 heads that
  // share keys in q8_0 a key takes 70 cycles of a SIMD on matrix units and 260 in lanes, of the 294 in which
  // 215 GB/s bring it; with up to 8 heads lanes take less than half of their time.
  const bool better = units.loads_turned || (units.halves_twice && sharing > kManyHeads);
  if (!better || head > kMostHead) return std::nullopt;
  const std::optional<UnitShape> shape = shape_for(sharing, head, units.matrix.shapes);
  const uint32_t lanes = units.matrix.subgroup;
  if (!shape || head % 8 != 0 || lanes % (head / 8) != 0) return std::nullopt;
  const uint32_t chunks = (sharing + shape->n - 1) / shape->n;
  DecodeAttentionSizes sizes{(sharing + chunks - 1) / chunks, std::max(kTileNumbers / head, 16U), kSubgroups};
  sizes.units = shape;
  while (sizes.keys > 16 && shared_bytes(sizes, head) > units.matrix.max_shared_bytes) sizes.keys /= 2;
  const uint32_t keys = sizes.keys;
  // A lane has fours of the keys of a tile, and rows are loaded whole.
  if (keys % shape->m != 0 || keys % shape->k != 0 || keys < shape->n || keys / 4 > lanes ||
      keys * (head / 8) % lanes != 0 || kPageTokens % keys != 0)
    return std::nullopt;
  // Sums of more heads than fit a tile's place are merged half a head at a time.
  const bool halves_are_whole = head / 2 % shape->m == 0 && head / 2 % 32 == 0;
  if (keys < 2 * shape->n && !halves_are_whole) return std::nullopt;
  if (lanes * sizes.subgroups > units.matrix.max_threads ||
      shared_bytes(sizes, head) > units.matrix.max_shared_bytes)
    return std::nullopt;
  return sizes;
}

}  // namespace caldera::kernels
