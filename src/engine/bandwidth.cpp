#include "engine/bandwidth.hpp"

#include <algorithm>

#include "caldera/error.hpp"
#include "kernels/bandwidth.hpp"
#include "vulkan/device_lost.hpp"
#include "vulkan/instance.hpp"
#include "vulkan/recording.hpp"

namespace caldera::engine {
namespace {

constexpr uint64_t kMostBytes = uint64_t{2} << 30;
constexpr uint64_t kSoftwareBytes = uint64_t{256} << 20;
/// Below this the caches of a device would answer.
constexpr uint64_t kLeastBytes = uint64_t{128} << 20;

/// How much to read: several times the caches, and never most of what the device would give.
uint64_t region_bytes(const vulkan::PhysicalDevice& physical) {
  if (physical.type == VK_PHYSICAL_DEVICE_TYPE_CPU) return kSoftwareBytes;
  uint64_t most = 0;
  for (const HeapInfo& heap : physical.info.heaps) {
    if (heap.device_local) most = std::max(most, std::min(heap.bytes, heap.budget.value_or(heap.bytes)));
  }
  return std::clamp(most / 4, kLeastBytes, kMostBytes);
}

void write_once(vulkan::Device& device, const vulkan::Allocation& memory) {
  vulkan::Recording recording(device);
  vkCmdFillBuffer(recording.handle(), memory.buffer(), memory.buffer_offset(), memory.bytes(), 0x5a5a1234);
  recording.finish();
  const VkCommandBuffer buffer = recording.handle();
  device.wait(device.submit({&buffer, 1}));
}

}  // namespace

std::optional<double> read_bandwidth(const std::string& device_choice, plan::Reach reach) {
  try {
    const vulkan::Instance instance;
    vulkan::Device device(instance, instance.choose(device_choice));
    vulkan::PipelineStore pipelines(device, {});
    return read_bandwidth(device, pipelines, reach);
  } catch (const vulkan::DeviceLost&) {
    throw;
  } catch (const Error& error) {
    if (error.kind() == ErrorKind::kDevice) return std::nullopt;
    throw;
  }
}

std::optional<double> read_bandwidth(vulkan::Device& device, vulkan::PipelineStore& pipelines,
                                     plan::Reach reach) {
  const bool far = reach == plan::Reach::kFar;
  if (far && device.physical().unified_memory()) return std::nullopt;
  // Memory that the host reads back through its caches is its own on a discrete device.
  const vulkan::Residency residency = far ? vulkan::Residency::kHostRead : vulkan::Residency::kDevice;
  const uint64_t most = std::min(region_bytes(device.physical()), device.memory().max_allocation());
  for (uint64_t bytes = most; bytes >= kLeastBytes; bytes /= 2) {
    try {
      const vulkan::Allocation memory =
          device.memory().allocate(bytes, residency, vulkan::Purpose::kStaging, "measuring the bandwidth");
      write_once(device, memory);
      return kernels::read_speed(device, pipelines, memory).bytes_per_second / 1e9;
    } catch (const Error& error) {
      // What others leave of the memory is not known before it is asked for.
      if (error.kind() != ErrorKind::kMemory) throw;
    }
  }
  return std::nullopt;
}

}  // namespace caldera::engine
