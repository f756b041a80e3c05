#include "kernels/product_candidates.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cstdlib>

#include "kernels/int8_tile.hpp"

namespace caldera::kernels {
namespace {

constexpr std::array<uint32_t, 6> kSubgroups = {1, 2, 4, 8, 16, 32};
constexpr std::array<uint32_t, 4> kRows = {1, 2, 4, 8};
constexpr std::array<uint32_t, 3> kUnrolls = {1, 2, 4};
constexpr std::array<uint32_t, 2> kPasses = {1, 4};
/// Sums of a lane, and loads of weights that it has under way: what is more does not stay in registers.
constexpr uint32_t kMostSums = 32;
constexpr uint32_t kMostLoads = 8;
/// Vectors that the kernel which streams rows takes.
constexpr uint32_t kMaxVectors = 8;
/// From how many vectors on tiles are worth trying.
constexpr uint32_t kFewestTileVectors = 8;
/// Rows of a workgroup at most.
constexpr uint32_t kMostRows = 64;

/// Beyond all steps from one value to another.
constexpr int kLastStep = 64;

/// How many steps apart two powers of two are.
int apart(uint32_t a, uint32_t b) {
  return std::abs(std::countr_zero(a) - std::countr_zero(b));
}

}  // namespace

bool possible(const ProductChoice& choice, const ProductKey& key, const WorkgroupLimits& limits) {
  const auto& [subgroups, rows, unroll, passes, ahead, tile] = choice;
  if (tile) return possible_tile(*tile, key, limits);
  if (ahead > 1) return false;
  for (const uint32_t value : {subgroups, rows, unroll, passes}) {
    if (!std::has_single_bit(value) || value > kMostRows) return false;
  }
  if (key.vectors > kMaxVectors || subgroups * limits.subgroup > limits.max_threads ||
      rows * key.vectors > kMostSums || rows * unroll * (1 + ahead) > kMostLoads) {
    return false;
  }
  if (key.pairs && rows == 1) return false;
  return key.group_rows == 0 || rows * passes * subgroups == key.group_rows;
}

std::vector<ProductChoice> candidates(const ProductKey& key, const WorkgroupLimits& limits) {
  std::vector<ProductChoice> all;
  const auto add = [&](const ProductChoice& choice) {
    if (possible(choice, key, limits)) all.push_back(choice);
  };
  for (const uint32_t subgroups : kSubgroups) {
    for (const uint32_t rows : kRows) {
      for (const uint32_t unroll : kUnrolls) {
        for (const uint32_t ahead : {0U, 1U}) {
          if (key.group_rows > 0) {
            add({subgroups, rows, unroll, std::max(1U, key.group_rows / (rows * subgroups)), ahead});
          } else {
            for (const uint32_t passes : kPasses) add({subgroups, rows, unroll, passes, ahead});
          }
        }
      }
    }
  }
  if (key.vectors >= kFewestTileVectors) {
    for (const Int8Tile& tile : int8_tiles(key, limits)) add({.tile = tile});
  }
  return all;
}

std::vector<ProductChoice> neighbours(const ProductChoice& from, const ProductKey& key,
                                      const WorkgroupLimits& limits) {
  const auto steps = [&](const ProductChoice& to) {
    // From rows that are streamed there is one way to tiles: the usual one.
    if (from.tile && to.tile) return differences(*from.tile, *to.tile) == 1 ? 1 : 0;
    if (from.tile || to.tile) return to.tile == usual_int8_tile(key, limits) ? kLastStep : 0;
    const std::array<int, 5> distances = {
        apart(to.subgroups, from.subgroups), apart(to.rows, from.rows), apart(to.unroll, from.unroll),
        key.group_rows > 0 ? 0 : apart(to.passes, from.passes), to.ahead == from.ahead ? 0 : 1};
    const auto changed = std::ranges::count_if(distances, [](int distance) { return distance > 0; });
    return changed == 1 ? *std::ranges::max_element(distances) : 0;
  };
  std::vector<ProductChoice> near = candidates(key, limits);
  std::erase_if(near, [&](const ProductChoice& to) { return steps(to) == 0; });
  std::ranges::stable_sort(near, {}, steps);
  return near;
}

}  // namespace caldera::kernels
