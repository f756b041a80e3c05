#include "kernels/product_candidates.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cstdlib>
#include <optional>

#include "kernels/int8_tile.hpp"
#include "kernels/matvec_units.hpp"
#include "quant/codebook.hpp"

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
/// From how many vectors on matrix units are taken where nobody tuned.
constexpr uint32_t kFewestUnitVectors = 4;
/// Rows of a workgroup at most.
constexpr uint32_t kMostRows = 64;

/// Beyond all steps from one value to another.
constexpr int kLastStep = 64;

/// How many steps apart two powers of two are.
int apart(uint32_t a, uint32_t b) {
  return std::abs(std::countr_zero(a) - std::countr_zero(b));
}

/// Rows that are streamed as was fastest on an H200 (docs/performance.md), for up to kMaxVectors vectors.
ProductChoice usual_rows(const ProductKey& key, const WorkgroupLimits& limits) {
  // Several rows share what is done with activations, which counts where there is much of it for a weight:
  // with several vectors, and in formats of grids.
  const bool shared = key.vectors > 2 || !quant::grid_of(key.format).empty();
  ProductChoice usual;
  switch (key.group_rows) {
    case 0:
      usual = shared            ? ProductChoice{4, 4, 1}
              : key.vectors > 1 ? ProductChoice{4, 2, 1}
                                : ProductChoice{4, key.pairs ? 2U : 1U, key.pairs ? 2U : 4U};
      break;
    case 32:
      usual = key.vectors > 2 ? ProductChoice{16, 2, 2}
              : shared        ? ProductChoice{8, 4, 1}
                              : ProductChoice{32, 1, 4};
      break;
    default:
      usual = shared            ? ProductChoice{8, 8, 1}
              : key.vectors > 1 ? ProductChoice{8, 4, 2}
                                : ProductChoice{16, 2, 2};
      break;
  }
  if (key.vectors > 4) usual.rows = std::min(usual.rows, 4U);
  usual.subgroups = std::clamp(limits.max_threads / limits.subgroup, 1U, usual.subgroups);
  if (key.group_rows > 0) usual.passes = key.group_rows / (usual.rows * usual.subgroups);
  return usual;
}

/// What is taken first where a product is made in another way than it was.
std::optional<ProductChoice> usual_units(const ProductKey& key, const WorkgroupLimits& limits) {
  const std::vector<MatvecUnits> all = matvec_units(key, limits);
  if (all.empty()) return std::nullopt;
  return ProductChoice{.units = all.front()};
}

bool same_kernel(const ProductChoice& a, const ProductChoice& b) {
  return a.tile.has_value() == b.tile.has_value() && a.units.has_value() == b.units.has_value();
}

}  // namespace

ProductChoice usual_choice(const ProductKey& key, const WorkgroupLimits& limits) {
  if (key.vectors >= kFewestUnitVectors) {
    if (const auto units = usual_units(key, limits)) return *units;
  }
  if (key.vectors > kMaxVectors) return {.tile = usual_int8_tile(key, limits)};
  return usual_rows(key, limits);
}

bool possible(const ProductChoice& choice, const ProductKey& key, const WorkgroupLimits& limits) {
  const auto& [subgroups, rows, unroll, passes, ahead, tile, units] = choice;
  if (units) return !tile && possible_units(*units, key, limits);
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
  for (const MatvecUnits& units : matvec_units(key, limits)) add({.units = units});
  return all;
}

std::vector<ProductChoice> neighbours(const ProductChoice& from, const ProductKey& key,
                                      const WorkgroupLimits& limits) {
  const auto steps = [&](const ProductChoice& to) {
    // From one kernel to another there is one way: what is usual there. From tiles none leads to rows, which
    // are usual where tiles are tried.
    if (!same_kernel(from, to)) {
      if (from.tile && !to.units) return 0;
      const bool usual = to.tile    ? *to.tile == usual_int8_tile(key, limits)
                         : to.units ? ProductChoice(to) == usual_units(key, limits)
                                    : to == usual_rows(key, limits);
      return usual ? kLastStep : 0;
    }
    if (from.tile) return differences(*from.tile, *to.tile) == 1 ? 1 : 0;
    if (from.units) return differences(*from.units, *to.units) == 1 ? 1 : 0;
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
