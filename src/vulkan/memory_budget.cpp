#include "vulkan/memory_budget.hpp"

#include <algorithm>

#include "machine/gpu.hpp"
#include "machine/host_memory.hpp"
#include "plan/usable_heaps.hpp"
#include "vulkan/physical_device.hpp"

namespace caldera::vulkan {
namespace {

uint64_t minus(uint64_t from, uint64_t bytes) {
  return from > bytes ? from - bytes : 0;
}

}  // namespace

MemoryBudget::MemoryBudget(const PhysicalDevice& physical)
    : handle_(physical.handle),
      has_budget_(physical.has_extension(VK_EXT_MEMORY_BUDGET_EXTENSION_NAME) &&
                  physical.memory.memoryHeapCount > 0),
      // A driver that is software and does not watch its memory reports a heap of any size (Mesa 22: 2 GiB).
      software_(physical.type == VK_PHYSICAL_DEVICE_TYPE_CPU && !has_budget_),
      topology_(topology_of(physical)) {}

plan::Topology MemoryBudget::topology_now() const {
  plan::Topology now = topology_;
  const std::vector<uint64_t> nothing(now.heaps.size());
  const Room left = room(nothing);
  uint64_t host = left.host;
  for (uint32_t i = 0; i < now.heaps.size(); ++i) {
    plan::Heap& heap = now.heaps[i];
    uint64_t bytes = left.heap[i];
    if (now.unified() || !heap.device_local) {
      bytes = std::min(bytes, host);
      if (host != UINT64_MAX) host -= bytes;
    }
    if (software_ && bytes != UINT64_MAX) heap.bytes = bytes + bytes / 32;  // the reserve is part of a heap
    heap.budget = std::min(heap.bytes, bytes > heap.bytes ? bytes : bytes + plan::heap_reserve(heap.bytes));
  }
  return now;
}

MemoryBudget::Room MemoryBudget::room(std::span<const uint64_t> taken) const {
  VkPhysicalDeviceMemoryBudgetPropertiesEXT budget{
      VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MEMORY_BUDGET_PROPERTIES_EXT};
  if (has_budget_) {
    VkPhysicalDeviceMemoryProperties2 memory{VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MEMORY_PROPERTIES_2};
    memory.pNext = &budget;
    vkGetPhysicalDeviceMemoryProperties2(handle_, &memory);
  }
  Room room;
  const uint64_t ram = machine::available_ram();
  room.host = ram == UINT64_MAX ? ram : minus(ram, plan::kHostReserve);
  // What firmware set aside for an integrated GPU is none of the system's memory, and in the same heaps.
  if (topology_.type == plan::DeviceType::kIntegrated && ram != UINT64_MAX)
    room.host += machine::free_carve_out();
  for (uint32_t i = 0; i < topology_.heaps.size(); ++i) {
    const uint64_t bytes = topology_.heaps[i].bytes;
    uint64_t left = software_ ? UINT64_MAX : minus(bytes, plan::heap_reserve(bytes) + taken[i]);
    if (has_budget_) {
      const uint64_t used = std::max<uint64_t>(budget.heapUsage[i], taken[i]);
      left = std::min(left, minus(budget.heapBudget[i], plan::heap_reserve(bytes) + used));
    }
    // All but a discrete device's own memory may come out of the system's.
    const bool own = !topology_.unified() && topology_.heaps[i].device_local;
    room.heap.push_back(own ? left : std::min(left, room.host));
  }
  return room;
}

}  // namespace caldera::vulkan
