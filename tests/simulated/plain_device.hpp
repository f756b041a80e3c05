// A Vulkan device with nothing of the engine's on top: memory is asked for by hand.
#pragma once

#include <vulkan/vulkan.h>

#include <optional>
#include <string>
#include <vector>

#include "vulkan/instance.hpp"

namespace caldera::test {

class PlainDevice {
 public:
  /// The instance's only device, with memory budget and host import if it has them.
  explicit PlainDevice(const vulkan::Instance& instance);
  /// Frees what is still allocated.
  ~PlainDevice();
  PlainDevice(const PlainDevice&) = delete;
  PlainDevice& operator=(const PlainDevice&) = delete;

  VkDevice handle() const { return device_; }
  VkQueue queue() const { return queue_; }
  const vulkan::PhysicalDevice& physical() const { return physical_; }
  /// An extension's function.
  template <class Function>
  Function function(const char* name) const {
    return reinterpret_cast<Function>(vkGetDeviceProcAddr(device_, name));
  }

  /// Allocates, and keeps what it is granted.
  VkResult allocate(uint32_t type, uint64_t bytes);
  /// Imports `bytes` at `host` as memory of a type; both are multiples of the import alignment.
  VkResult import(uint32_t type, void* host, uint64_t bytes);
  /// What was granted, latest last.
  const std::vector<VkDeviceMemory>& granted() const { return granted_; }
  void free_last();
  void free_all();

  /// A storage buffer, or why not.
  VkResult make_buffer(uint64_t bytes, VkBuffer& buffer) const;
  /// Bits of the types that such buffers may lie in.
  uint32_t buffer_types() const;
  /// Budgets now.
  VkPhysicalDeviceMemoryBudgetPropertiesEXT budgets() const;

 private:
  VkResult allocate(const VkMemoryAllocateInfo& info);

  vulkan::PhysicalDevice physical_;
  VkDevice device_ = VK_NULL_HANDLE;
  VkQueue queue_ = VK_NULL_HANDLE;
  std::vector<VkDeviceMemory> granted_;
};

}  // namespace caldera::test
