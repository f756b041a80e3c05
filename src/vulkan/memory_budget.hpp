// How much each heap of a device can still give.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "plan/topology.hpp"
#include "vulkan/instance.hpp"

namespace caldera::vulkan {

/// Asks the driver (VK_EXT_memory_budget) and, for memory that is the host's, the system, each time it is
/// called: other programs come and go.
class MemoryBudget {
 public:
  explicit MemoryBudget(const PhysicalDevice& physical);

  const plan::Topology& topology() const { return topology_; }
  /// The same with what each heap can give now as its budget; the heaps that are the host's memory share what
  /// it has.
  plan::Topology topology_now() const;
  /// Whether a heap runs at the speed of the device's memory.
  bool near(uint32_t heap) const { return topology_.unified() || topology_.heaps[heap].device_local; }

  /// What can still be had, with a reserve left for others.
  struct Room {
    std::vector<uint64_t> heap;  ///< bytes of each
    uint64_t host = 0;           ///< bytes of all heaps that are the host's memory together
  };
  /// `taken`: what this process took of each heap, for drivers that do not say.
  Room room(std::span<const uint64_t> taken) const;

 private:
  VkPhysicalDevice handle_;
  bool has_budget_;
  bool software_;  ///< the heap's size is a guess of the driver's
  plan::Topology topology_;
};

}  // namespace caldera::vulkan
