// Writing to memory that the host cannot see: copies through a few buffers, one of them filled while others
// are copied.
#pragma once

#include <vulkan/vulkan.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "vulkan/memory_pool.hpp"

namespace caldera::vulkan {

class Device;

class Staging {
 public:
  /// Errors: kMemory, kDevice.
  explicit Staging(Device& device);
  ~Staging();  ///< what was written must have been waited for
  Staging(const Staging&) = delete;
  Staging& operator=(const Staging&) = delete;

  /// Copies `data` to an allocation. It may change when this returns; the copy is done before whatever is
  /// submitted later, and `to` must stay until then.
  void write(const Allocation& to, uint64_t offset, std::span<const std::byte> data);

 private:
  struct Slot {
    Allocation memory;
    VkCommandBuffer commands = VK_NULL_HANDLE;
    uint64_t done = 0;  ///< timeline value after its last copy
  };
  void copy(Slot& slot, const Allocation& to, uint64_t offset, std::span<const std::byte> data);

  Device& device_;
  VkCommandPool pool_ = VK_NULL_HANDLE;
  std::array<Slot, 4> slots_;
  size_t next_ = 0;
};

/// Orders all that was written before against all that is read or written afterwards, by device and host.
void record_full_barrier(VkCommandBuffer commands);

}  // namespace caldera::vulkan
