#include "kernels/matrix_speed.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <vector>

#include "kernels/shaders.hpp"
#include "vulkan/recording.hpp"
#include "vulkan/stopwatch.hpp"

namespace caldera::kernels {
namespace {

using Clock = std::chrono::steady_clock;

/// As in glsl/matrix_speed.comp: products of a turn.
constexpr uint32_t kProducts = 4 * 2;
/// Several subgroups for every matrix unit there is, several times over.
constexpr uint32_t kGroups = 4096;
constexpr uint32_t kSoftwareGroups = 16;
constexpr uint32_t kSubgroups = 4;
/// Powers of two, so that sums of sums in f32 stay exact.
constexpr uint32_t kFewestTurns = 16;
constexpr uint32_t kMostTurns = 4096;
constexpr double kLongEnough = 5e-3;  ///< of one run, in seconds: what starts and ends it counts little
constexpr int kRuns = 4;
constexpr float kLeft = 0.5F;
constexpr float kRight = 0.25F;

std::vector<vulkan::MatrixShape> shapes_to_try(const vulkan::PhysicalDevice& physical) {
  std::vector<vulkan::MatrixShape> shapes;
  for (const vulkan::MatrixShape& shape : physical.matrix_shapes) {
    if (shape.a == VK_COMPONENT_TYPE_FLOAT16_KHR && shape.b == VK_COMPONENT_TYPE_FLOAT16_KHR &&
        shape.c == VK_COMPONENT_TYPE_FLOAT32_KHR && shape.result == VK_COMPONENT_TYPE_FLOAT32_KHR) {
      shapes.push_back(shape);
    }
  }
  return shapes;
}

/// 32 lanes where the device lets us choose, as for all kernels.
uint32_t subgroup_lanes(const vulkan::PhysicalDevice& physical) {
  if (!physical.subgroup_size_control) return physical.info.subgroup_size;
  return std::clamp(physical.info.max_subgroup_size >= 32 ? 32U : physical.info.subgroup_size,
                    physical.info.min_subgroup_size, physical.info.max_subgroup_size);
}

}  // namespace

std::optional<MatrixSpeed> matrix_speed(vulkan::Device& device, vulkan::PipelineStore& pipelines) {
  const vulkan::PhysicalDevice& physical = device.physical();
  const std::vector<vulkan::MatrixShape> shapes = shapes_to_try(physical);
  if (!compiler_knows_cooperative_matrix() || shapes.empty()) return std::nullopt;

  const uint32_t lanes = subgroup_lanes(physical);
  const uint32_t subgroups = std::clamp(physical.info.max_workgroup_invocations / lanes, 1U, kSubgroups);
  const uint32_t groups = physical.type == VK_PHYSICAL_DEVICE_TYPE_CPU ? kSoftwareGroups : kGroups;
  const uint32_t workers = groups * subgroups;
  const vulkan::Allocation sums =
      device.memory().allocate(uint64_t{workers} * sizeof(float), vulkan::Residency::kHostRead,
                               vulkan::Purpose::kStaging, "sums of products");
  const vulkan::Range range{sums.address(), sums.bytes()};
  const vulkan::Stopwatch stopwatch(device);
  MatrixSpeed best;
  best.sums_are_right = true;
  for (const vulkan::MatrixShape& shape : shapes) {
    const std::array<uint32_t, 4> specialised = {lanes * subgroups, shape.m, shape.n, shape.k};
    const vulkan::Pipeline& pipeline = pipelines.get(shader("matrix_speed"), specialised, lanes);
    struct {
      uint64_t sums;
      uint32_t turns;
      float left, right;
      uint32_t unused;
    } constants{sums.address(), kFewestTurns, kLeft, kRight, 0};
    for (int run = 0; run < kRuns;) {
      vulkan::Recording recording(device);
      stopwatch.start(recording.handle());
      recording.dispatch(pipeline, std::as_bytes(std::span(&constants, 1)), {groups, 1, 1}, {}, {&range, 1});
      stopwatch.stop(recording.handle());
      recording.finish();
      const VkCommandBuffer buffer = recording.handle();
      std::fill_n(reinterpret_cast<float*>(sums.host()), workers, 0.0F);
      const auto start = Clock::now();
      device.wait(device.submit({&buffer, 1}));
      const double seconds = stopwatch.seconds(std::chrono::duration<double>(Clock::now() - start).count());
      const double multiplied =
          double{kProducts} * constants.turns * shape.m * shape.n * shape.k;  // a subgroup's
      const auto* found = reinterpret_cast<const float*>(sums.host());
      best.sums_are_right &= std::all_of(
          found, found + workers, [&](float sum) { return double{sum} == multiplied * kLeft * kRight; });
      if (seconds < kLongEnough && constants.turns < kMostTurns) {
        constants.turns *= 4;
        continue;
      }
      ++run;
      const double speed = 2 * multiplied * workers / seconds;
      if (speed > best.flop_per_second) {
        best.flop_per_second = speed;
        best.shape = shape;
      }
    }
  }
  return best;
}

}  // namespace caldera::kernels
