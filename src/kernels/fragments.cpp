#include "kernels/fragments.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <set>
#include <tuple>
#include <vector>

#include "caldera/error.hpp"
#include "kernels/shaders.hpp"
#include "vulkan/device_lost.hpp"
#include "vulkan/recording.hpp"

namespace caldera::kernels {
namespace {

bool matches(const FragmentLayout& layout, std::span<const SeenFragments> lanes) {
  const auto& [shape, sharing, rows] = layout;
  if (shape.k % (2 * sharing) != 0 || shape.m % rows != 0) return false;
  const uint32_t elements = shape.k / sharing;  // of a row
  const uint32_t groups = shape.m / rows;
  const size_t least_lanes = size_t{sharing} * std::max(groups, shape.n);
  if (lanes.size() < least_lanes || elements * rows > std::size(lanes[0].left)) return false;
  std::vector<uint32_t> columns(shape.k, UINT32_MAX);  // by lane of those that share a row, and element
  for (uint32_t lane = 0; lane < lanes.size(); ++lane) {
    const SeenFragments& seen = lanes[lane];
    const auto ends = [](std::span<const uint32_t> found, uint32_t count) {
      return (count == found.size() || found[count] == 0) &&
             std::ranges::find(found.first(count), 0U) == found.first(count).end();
    };
    if (!ends(seen.left, elements * rows) || !ends(seen.right, elements)) return false;
    for (uint32_t e = 0; e < elements; ++e) {
      const uint32_t right = seen.right[e] - 1;
      uint32_t& column = columns[lane % sharing * elements + e];
      if (column == UINT32_MAX) column = right / shape.n;
      if (column != right / shape.n || right % shape.n != lane / sharing % shape.n) return false;
      for (uint32_t r = 0; r < rows; ++r) {
        const uint32_t left = seen.left[e % 2 + 2 * (r + rows * (e / 2))] - 1;
        if (left % shape.k != column || left / shape.k != r * groups + lane / sharing % groups) return false;
      }
    }
  }
  return std::set(columns.begin(), columns.end()).size() == shape.k;
}

}  // namespace

std::optional<FragmentLayout> match_fragments(const UnitShape& shape, std::span<const SeenFragments> lanes) {
  for (const uint32_t sharing : {1U, 2U, 4U, 8U}) {
    for (const uint32_t rows : {1U, 2U, 4U}) {
      const FragmentLayout layout{shape, sharing, rows};
      if (matches(layout, lanes)) return layout;
    }
  }
  return std::nullopt;
}

std::optional<FragmentLayout> fragment_layout(vulkan::Device& device, vulkan::PipelineStore& pipelines,
                                              std::span<const UnitShape> shapes, uint32_t subgroup) {
  std::vector<UnitShape> by_columns(shapes.begin(), shapes.end());
  std::ranges::stable_sort(by_columns, {}, [](const UnitShape& shape) {
    return std::tuple(shape.n, UINT32_MAX - shape.m * shape.k);
  });
  try {
    const vulkan::Allocation memory =
        device.memory().allocate(subgroup * sizeof(SeenFragments), vulkan::Residency::kHostRead,
                                 vulkan::Purpose::kStaging, "elements of matrices");
    const vulkan::Range range{memory.address(), memory.bytes()};
    for (const UnitShape& shape : by_columns) {
      vulkan::Recording recording(device);
      const std::array<uint32_t, 4> constants = {subgroup, shape.m, shape.n, shape.k};
      const uint64_t address = memory.address();
      recording.dispatch(pipelines.get(shader("fragments"), constants, subgroup),
                         std::as_bytes(std::span(&address, 1)), {1, 1, 1}, {}, {&range, 1});
      recording.finish();
      const VkCommandBuffer buffer = recording.handle();
      device.wait(device.submit({&buffer, 1}));
      std::vector<SeenFragments> lanes(subgroup);
      std::memcpy(lanes.data(), memory.host(), lanes.size() * sizeof(SeenFragments));
      if (const auto layout = match_fragments(shape, lanes)) return layout;
    }
  } catch (const vulkan::DeviceLost&) {
    throw;
  } catch (const Error&) {  // the driver cannot compile or run it: then products go through shared memory
  }
  return std::nullopt;
}

}  // namespace caldera::kernels
