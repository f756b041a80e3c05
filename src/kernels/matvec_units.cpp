#include "kernels/matvec_units.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <tuple>

#include "caldera/error.hpp"
#include "quant/codebook.hpp"

namespace caldera::kernels {
namespace {

constexpr uint32_t kMostRows = 128;
constexpr uint32_t kMostSlices = 32;
/// Sums of a lane, and units of weights that it has under way: what is more does not stay in registers.
constexpr uint32_t kMostSums = 64;
constexpr uint32_t kMostLoads = 8;
/// Subgroups of workgroups that are worth trying.
constexpr uint32_t kFewestSubgroups = 4;
constexpr uint32_t kMostSubgroups = 16;
/// Of weights that a subgroup has for itself, fewer are not worth adding up in the end.
constexpr uint32_t kFewestTurns = 2;
/// Subgroups that keep a large device busy: some 12 on each of 132 multiprocessors.
constexpr uint32_t kFilling = 1536;
/// Where there are enough subgroups.
constexpr uint32_t kUsualSlices = 8;

/// Units of a row that a subgroup takes at once.
uint32_t chunk_units(const MatvecUnits& units, const WorkgroupLimits& limits) {
  return units.fragments != 0 ? limits.fragments->lanes_a_row : units.units;
}

}  // namespace

UnitShape matvec_shape(const std::vector<UnitShape>& shapes, uint32_t vectors) {
  if (shapes.empty()) throw Error(ErrorKind::kInternal, "a product on matrix units that are not there");
  return *std::ranges::min_element(shapes, {}, [&](const UnitShape& shape) {
    const uint32_t columns = unit_columns(shape, vectors);
    return std::tuple(columns, UINT32_MAX - shape.n, UINT32_MAX - shape.m * shape.k);
  });
}

UnitShape matvec_shape(const MatvecUnits& units, const WorkgroupLimits& limits, uint32_t vectors) {
  return units.fragments != 0 ? limits.fragments->shape : matvec_shape(limits.shapes, vectors);
}

uint32_t unit_columns(const UnitShape& shape, uint32_t vectors) {
  return (vectors + shape.n - 1) / shape.n * shape.n;
}

uint32_t unit_rows(const MatvecUnits& units, const UnitShape& shape) {
  return shape.m * units.tiles * units.row_groups;
}

bool possible_units(const MatvecUnits& units, const ProductKey& key, const WorkgroupLimits& limits) {
  if (limits.shapes.empty() || key.vectors > kMaxUnitVectors || units.ahead > 1 || units.fragments > 1 ||
      (units.fragments == 1 && (!limits.fragments || units.units != 1))) {
    return false;
  }
  for (const uint32_t value : {units.tiles, units.row_groups, units.slices, units.units}) {
    if (!std::has_single_bit(value) || value > kMostSlices) return false;
  }
  const UnitShape shape = matvec_shape(units, limits, key.vectors);
  const uint32_t columns = unit_columns(shape, key.vectors);
  const uint32_t rows = unit_rows(units, shape);
  const uint32_t subgroups = units.row_groups * units.slices;
  if (rows > kMostRows || (units.fragments == 0 && 32 * units.units % shape.k != 0) ||
      subgroups * limits.subgroup > limits.max_threads)
    return false;
  // Four outputs of a vector are stored at once, and int8 vectors are made in whole units.
  if (rows % std::max(key.group_rows, key.pairs ? 8U : 4U) != 0) return false;
  const uint32_t loads =
      units.tiles * (units.fragments != 0 ? limits.fragments->rows_a_lane
                                          : std::max(1U, shape.m * units.units / limits.subgroup));
  if (units.tiles * shape.m * columns / limits.subgroup > kMostSums || loads * (1 + units.ahead) > kMostLoads)
    return false;
  // The arrays of the kernel: places or sums, factors, and the tables of formats (glsl/int8_units.glsl).
  const uint32_t places =
      units.fragments != 0 ? 0 : subgroups * std::max(shape.m, columns) * (4 * units.units + 1) * 16;
  const uint32_t sums = units.slices * columns * rows * 4;
  const uint32_t table =
      static_cast<uint32_t>(std::max<size_t>(2 * quant::grid_of(key.format).size(), 256)) * 4;
  return std::max(places, sums) + columns * 4 + table <= limits.max_shared;
}

std::vector<MatvecUnits> matvec_units(const ProductKey& key, const WorkgroupLimits& limits) {
  std::vector<MatvecUnits> all;
  if (limits.shapes.empty() || key.vectors < 2 || key.vectors > kMaxUnitVectors) return all;
  for (const uint32_t units : {1U, 2U, 4U}) {
    for (const uint32_t tiles : {1U, 2U, 4U}) {
      for (const uint32_t row_groups : {1U, 2U, 4U}) {
        for (const uint32_t slices : {1U, 2U, 4U, 8U, 16U}) {
          for (const uint32_t ahead : {1U, 0U}) {
            // Units of one are those of fragments.
            const MatvecUnits choice{tiles, row_groups, slices, units, ahead, units == 1 ? 1U : 0U};
            const uint32_t subgroups = row_groups * slices;
            if (possible_units(choice, key, limits) && subgroups >= kFewestSubgroups &&
                subgroups <= kMostSubgroups &&
                slices * chunk_units(choice, limits) * kFewestTurns <= key.columns / 32) {
              all.push_back(choice);
            }
          }
        }
      }
    }
  }
  // What was fastest on an H200 (docs/performance.md): as many rows a subgroup as leave enough of them,
  // because they share the vectors; then loads take so many registers that none are left for the next ones.
  std::ranges::stable_sort(all, {}, [&](const MatvecUnits& choice) {
    const uint32_t m = matvec_shape(choice, limits, key.vectors).m;
    const uint32_t subgroups = (key.rows + m * choice.tiles - 1) / (m * choice.tiles) * choice.slices;
    return std::tuple(choice.fragments == 0, subgroups < kFilling ? kFilling - subgroups : 0,
                      UINT32_MAX - choice.tiles, (choice.ahead == 1) == (choice.tiles == 4),
                      choice.units != 2, choice.slices != kUsualSlices, choice.slices, choice.row_groups);
  });
  return all;
}

uint32_t differences(const MatvecUnits& a, const MatvecUnits& b) {
  return static_cast<uint32_t>(a.tiles != b.tiles || a.row_groups != b.row_groups) +
         static_cast<uint32_t>(a.slices != b.slices) + static_cast<uint32_t>(a.units != b.units) +
         static_cast<uint32_t>(a.ahead != b.ahead) + static_cast<uint32_t>(a.fragments != b.fragments);
}

}  // namespace caldera::kernels
