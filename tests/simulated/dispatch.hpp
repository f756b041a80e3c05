// The layer's state, and the functions of the next layer or driver that it calls.
#pragma once

#include <vulkan/vk_layer.h>
#include <vulkan/vulkan_core.h>

#include <atomic>
#include <memory>
#include <mutex>
#include <unordered_map>

#include "simulated/accounts.hpp"

namespace caldera::simulated {

#define CALDERA_INSTANCE_FUNCTIONS(X)   \
  X(DestroyInstance)                    \
  X(EnumeratePhysicalDevices)           \
  X(EnumeratePhysicalDeviceGroups)      \
  X(EnumerateDeviceExtensionProperties) \
  X(GetPhysicalDeviceProperties)        \
  X(GetPhysicalDeviceProperties2)       \
  X(GetPhysicalDeviceMemoryProperties)  \
  X(GetPhysicalDeviceMemoryProperties2)

#define CALDERA_DEVICE_FUNCTIONS(X)    \
  X(DestroyDevice)                     \
  X(AllocateMemory)                    \
  X(FreeMemory)                        \
  X(MapMemory)                         \
  X(CreateBuffer)                      \
  X(GetBufferMemoryRequirements)       \
  X(GetBufferMemoryRequirements2)      \
  X(GetImageMemoryRequirements)        \
  X(GetImageMemoryRequirements2)       \
  X(GetDeviceBufferMemoryRequirements) \
  X(GetDeviceImageMemoryRequirements)  \
  X(GetMemoryHostPointerPropertiesEXT) \
  X(QueueSubmit)                       \
  X(QueueSubmit2)                      \
  X(QueueWaitIdle)                     \
  X(DeviceWaitIdle)                    \
  X(WaitForFences)                     \
  X(GetFenceStatus)                    \
  X(WaitSemaphores)                    \
  X(GetSemaphoreCounterValue)

#define CALDERA_MEMBER(name) PFN_vk##name name = nullptr;

struct InstanceBelow {
  VkInstance instance = VK_NULL_HANDLE;
  PFN_vkGetInstanceProcAddr get = nullptr;
  CALDERA_INSTANCE_FUNCTIONS(CALDERA_MEMBER)
};

struct DeviceBelow {
  PFN_vkGetDeviceProcAddr get = nullptr;
  /// The driver's own type of memory that everything is put into: visible to the host and coherent.
  uint32_t memory_type = 0;
  std::atomic<bool> lost = false;
  std::atomic<bool> stuck = false;   ///< see LossPoint::kStuck
  std::atomic<bool> unsaid = false;  ///< lost, and the next wait does not say so
  CALDERA_DEVICE_FUNCTIONS(CALDERA_MEMBER)
};

#undef CALDERA_MEMBER

/// What is below an instance or a device. Handles that belong together begin with the same pointer, which the
/// loader put there; it is the key.
template <class Below>
class BelowMap {
 public:
  template <class Handle>
  Below& at(Handle handle) {
    const std::scoped_lock lock(mutex_);
    return *map_.at(key(handle));
  }
  template <class Handle>
  void put(Handle handle, std::unique_ptr<Below> below) {
    const std::scoped_lock lock(mutex_);
    map_[key(handle)] = std::move(below);
  }
  template <class Handle>
  std::unique_ptr<Below> take(Handle handle) {
    const std::scoped_lock lock(mutex_);
    auto node = map_.extract(key(handle));
    return node.empty() ? nullptr : std::move(node.mapped());
  }

 private:
  template <class Handle>
  static void* key(Handle handle) {
    return *reinterpret_cast<void**>(handle);
  }

  std::mutex mutex_;
  std::unordered_map<void*, std::unique_ptr<Below>> map_;
};

struct State {
  ShownDevice shown;
  Accounts accounts;
  bool open = false;
  BelowMap<InstanceBelow> instances;
  BelowMap<DeviceBelow> devices;
};

State& state();

/// Reads the environment and begins with an untouched device. Errors: those of shown_device().
void open_state();

/// The layer's own function of this name, or null.
PFN_vkVoidFunction instance_function(const char* name);
PFN_vkVoidFunction device_function(const char* name);

/// The simulated types that the host sees, as bits; of those the ones in host memory where there are any.
uint32_t importable_types();
/// All simulated types if the driver's bits allow the one behind them, else none.
uint32_t shown_types(const DeviceBelow& device, uint32_t driver_bits);

VKAPI_ATTR PFN_vkVoidFunction VKAPI_CALL get_instance_proc_addr(VkInstance instance, const char* name);
VKAPI_ATTR PFN_vkVoidFunction VKAPI_CALL get_device_proc_addr(VkDevice device, const char* name);

}  // namespace caldera::simulated
