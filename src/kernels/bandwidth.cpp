#include "kernels/bandwidth.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <chrono>
#include <numeric>
#include <vector>

#include "kernels/shaders.hpp"
#include "vulkan/recording.hpp"
#include "vulkan/stopwatch.hpp"

namespace caldera::kernels {
namespace {

using Clock = std::chrono::steady_clock;

constexpr uint64_t kMostBytes = uint64_t{8} << 30;
constexpr uint32_t kLoadBytes = 16;
/// How the memory is shared out; what fills a device best is not known before, so all are tried. GPUs like
/// all groups to read one stretch together; what computes a group on one core likes a stretch of its own.
struct Walk {
  uint32_t groups;
  bool together;
};
constexpr std::array<Walk, 5> kWalks = {
    {{1024, false}, {1024, true}, {2048, true}, {4096, true}, {16384, true}}};
constexpr uint32_t kMostGroups = 16384;
constexpr int kRuns = 4;
constexpr double kEnoughSeconds = 1;

}  // namespace

ReadSpeed read_speed(vulkan::Device& device, vulkan::PipelineStore& pipelines,
                     const vulkan::Allocation& memory) {
  const DeviceInfo& info = device.physical().info;
  const bool software = device.physical().type == VK_PHYSICAL_DEVICE_TYPE_CPU;
  const uint32_t threads =
      std::bit_floor(std::min(software ? info.subgroup_size : 256U, info.max_workgroup_invocations));
  const uint32_t most_subgroups = threads / std::max(1U, std::min(info.min_subgroup_size, threads));
  const uint64_t bytes = std::min(memory.bytes(), kMostBytes) / kLoadBytes * kLoadBytes;
  const vulkan::Allocation sums = device.memory().allocate(
      uint64_t{kMostGroups} * most_subgroups * sizeof(uint32_t), vulkan::Residency::kHostRead,
      vulkan::Purpose::kStaging, "sums of what is read");
  struct {
    uint64_t memory, sums;
    uint32_t loads, group_step, group_span, stride;
  } constants{memory.address(), sums.address(), static_cast<uint32_t>(bytes / kLoadBytes)};
  const vulkan::Pipeline& pipeline = pipelines.get(shader("read_bandwidth"), {&threads, 1}, 0);
  const vulkan::Range range{sums.address(), sums.bytes()};
  const vulkan::Stopwatch stopwatch(device);

  ReadSpeed speed;
  const auto begin = Clock::now();
  const auto seconds_since = [](Clock::time_point start) {
    return std::chrono::duration<double>(Clock::now() - start).count();
  };
  for (const Walk& walk : kWalks) {
    const uint32_t span = (constants.loads + walk.groups - 1) / walk.groups;
    constants.group_step = walk.together ? threads : span;
    constants.group_span = walk.together ? constants.loads : span;
    constants.stride = walk.together ? threads * walk.groups : threads;
    std::fill_n(reinterpret_cast<uint32_t*>(sums.host()), sums.bytes() / sizeof(uint32_t), 0);
    vulkan::Recording recording(device);
    stopwatch.start(recording.handle());
    recording.dispatch(pipeline, std::as_bytes(std::span(&constants, 1)), {walk.groups, 1, 1}, {},
                       {&range, 1});
    stopwatch.stop(recording.handle());
    recording.finish();
    const VkCommandBuffer buffer = recording.handle();
    for (int run = 0; run < kRuns; ++run) {
      const auto start = Clock::now();
      device.wait(device.submit({&buffer, 1}));
      const double seconds = stopwatch.seconds(seconds_since(start));
      speed.bytes_per_second = std::max(speed.bytes_per_second, static_cast<double>(bytes) / seconds);
    }
    const auto* words = reinterpret_cast<const uint32_t*>(sums.host());
    speed.sum = std::accumulate(words, words + sums.bytes() / sizeof(uint32_t), 0U);
    if (seconds_since(begin) > kEnoughSeconds) break;
  }
  return speed;
}

}  // namespace caldera::kernels
