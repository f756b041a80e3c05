// What the simulated device does: its memory, and submissions that may lose it.
#include <string_view>
#include <vector>

#include "simulated/dispatch.hpp"

namespace caldera::simulated {

uint32_t importable_types() {
  const plan::Topology& row = state().shown.topology;
  uint32_t visible = 0;
  uint32_t host = 0;
  for (uint32_t i = 0; i < row.types.size(); ++i) {
    if (!row.types[i].host_visible) continue;
    visible |= 1U << i;
    if (!row.heaps[row.types[i].heap].device_local) host |= 1U << i;
  }
  return host != 0 ? host : visible;
}

uint32_t shown_types(const DeviceBelow& device, uint32_t driver_bits) {
  if ((driver_bits >> device.memory_type & 1) == 0) return 0;
  return static_cast<uint32_t>((uint64_t{1} << state().shown.topology.types.size()) - 1);
}

namespace {

bool imports_host_memory(const VkMemoryAllocateInfo& info) {
  for (auto* next = static_cast<const VkBaseInStructure*>(info.pNext); next != nullptr; next = next->pNext) {
    if (next->sType == VK_STRUCTURE_TYPE_IMPORT_MEMORY_HOST_POINTER_INFO_EXT) return true;
  }
  return false;
}

/// Whether the device is lost by passing `point`, or was before. `idle` waits for what was submitted before,
/// so that the program may destroy things as it may after a loss.
template <class Idle>
bool is_lost(DeviceBelow& below, LossPoint point, Idle idle) {
  if (!below.lost && state().accounts.loses_device(point)) {
    idle();
    below.lost = true;
  }
  return below.lost;
}

VKAPI_ATTR VkResult VKAPI_CALL allocate_memory(VkDevice device, const VkMemoryAllocateInfo* info,
                                               const VkAllocationCallbacks* allocator,
                                               VkDeviceMemory* memory) {
  State& now = state();
  DeviceBelow& below = now.devices.at(device);
  const plan::Topology& row = now.shown.topology;
  if (info->memoryTypeIndex >= row.types.size()) return VK_ERROR_OUT_OF_DEVICE_MEMORY;
  const Piece piece{row.types[info->memoryTypeIndex].heap, info->allocationSize, info->memoryTypeIndex,
                    imports_host_memory(*info)};
  if (is_lost(below, LossPoint::kAllocation, [&] { below.DeviceWaitIdle(device); })) {
    return VK_ERROR_DEVICE_LOST;
  }
  VkResult result = now.accounts.take(piece);
  if (result != VK_SUCCESS) return result;
  VkMemoryAllocateInfo passed = *info;
  passed.memoryTypeIndex = below.memory_type;
  result = below.AllocateMemory(device, &passed, allocator, memory);
  if (result == VK_SUCCESS) {
    now.accounts.remember(*memory, piece);
  } else {
    now.accounts.take_back(piece);
  }
  return result;
}

VKAPI_ATTR void VKAPI_CALL free_memory(VkDevice device, VkDeviceMemory memory,
                                       const VkAllocationCallbacks* allocator) {
  // Forgotten first: once it is freed, another thread may be given the same handle.
  if (memory != VK_NULL_HANDLE) state().accounts.forget(memory);
  state().devices.at(device).FreeMemory(device, memory, allocator);
}

VKAPI_ATTR VkResult VKAPI_CALL map_memory(VkDevice device, VkDeviceMemory memory, VkDeviceSize offset,
                                          VkDeviceSize bytes, VkMemoryMapFlags flags, void** host) {
  State& now = state();
  const std::optional<Piece> piece = now.accounts.find(memory);
  if (piece && !now.shown.topology.types[piece->type].host_visible) return VK_ERROR_MEMORY_MAP_FAILED;
  return now.devices.at(device).MapMemory(device, memory, offset, bytes, flags, host);
}

VKAPI_ATTR VkResult VKAPI_CALL create_buffer(VkDevice device, const VkBufferCreateInfo* info,
                                             const VkAllocationCallbacks* allocator, VkBuffer* buffer) {
  if (info->size > state().shown.topology.max_buffer) return VK_ERROR_OUT_OF_DEVICE_MEMORY;
  return state().devices.at(device).CreateBuffer(device, info, allocator, buffer);
}

VKAPI_ATTR void VKAPI_CALL get_buffer_memory_requirements(VkDevice device, VkBuffer buffer,
                                                          VkMemoryRequirements* requirements) {
  DeviceBelow& below = state().devices.at(device);
  below.GetBufferMemoryRequirements(device, buffer, requirements);
  requirements->memoryTypeBits = shown_types(below, requirements->memoryTypeBits);
}

VKAPI_ATTR void VKAPI_CALL get_image_memory_requirements(VkDevice device, VkImage image,
                                                         VkMemoryRequirements* requirements) {
  DeviceBelow& below = state().devices.at(device);
  below.GetImageMemoryRequirements(device, image, requirements);
  requirements->memoryTypeBits = shown_types(below, requirements->memoryTypeBits);
}

/// The four functions that answer with VkMemoryRequirements2 differ in what they ask about.
template <auto Next, class Info>
VKAPI_ATTR void VKAPI_CALL get_requirements2(VkDevice device, const Info* info,
                                             VkMemoryRequirements2* requirements) {
  DeviceBelow& below = state().devices.at(device);
  (below.*Next)(device, info, requirements);
  uint32_t& bits = requirements->memoryRequirements.memoryTypeBits;
  bits = shown_types(below, bits);
}

VKAPI_ATTR VkResult VKAPI_CALL get_host_pointer_properties(VkDevice device,
                                                           VkExternalMemoryHandleTypeFlagBits kind,
                                                           const void* host,
                                                           VkMemoryHostPointerPropertiesEXT* properties) {
  DeviceBelow& below = state().devices.at(device);
  const VkResult result = below.GetMemoryHostPointerPropertiesEXT(device, kind, host, properties);
  properties->memoryTypeBits = shown_types(below, properties->memoryTypeBits) & importable_types();
  return result;
}

enum class Fate { kDone, kLost, kWithoutWork, kNever };

Fate fate_of_submission(DeviceBelow& below, VkQueue queue) {
  const auto idle = [&] { below.QueueWaitIdle(queue); };
  if (is_lost(below, LossPoint::kSubmission, idle)) return Fate::kLost;
  if (is_lost(below, LossPoint::kUnsaid, idle)) {
    below.unsaid = true;
    return Fate::kWithoutWork;
  }
  if (!below.stuck && state().accounts.loses_device(LossPoint::kStuck)) below.stuck = true;
  return below.stuck ? Fate::kNever : Fate::kDone;
}

VKAPI_ATTR VkResult VKAPI_CALL queue_submit(VkQueue queue, uint32_t count, const VkSubmitInfo* submits,
                                            VkFence fence) {
  DeviceBelow& below = state().devices.at(queue);
  const Fate fate = fate_of_submission(below, queue);
  if (fate == Fate::kLost) return VK_ERROR_DEVICE_LOST;
  if (fate == Fate::kNever) return VK_SUCCESS;
  std::vector<VkSubmitInfo> passed(submits, submits + count);
  if (fate == Fate::kWithoutWork) {
    for (VkSubmitInfo& submit : passed) submit.commandBufferCount = 0;
  }
  return below.QueueSubmit(queue, count, passed.data(), fence);
}

VKAPI_ATTR VkResult VKAPI_CALL queue_submit2(VkQueue queue, uint32_t count, const VkSubmitInfo2* submits,
                                             VkFence fence) {
  DeviceBelow& below = state().devices.at(queue);
  const Fate fate = fate_of_submission(below, queue);
  if (fate == Fate::kLost) return VK_ERROR_DEVICE_LOST;
  if (fate == Fate::kNever) return VK_SUCCESS;
  std::vector<VkSubmitInfo2> passed(submits, submits + count);
  if (fate == Fate::kWithoutWork) {
    for (VkSubmitInfo2& submit : passed) submit.commandBufferInfoCount = 0;
  }
  return below.QueueSubmit2(queue, count, passed.data(), fence);
}

/// Waits and queries: of a lost device they return at once, for what they wait for never comes.
template <auto Next, class Handle, class... Arguments>
VKAPI_ATTR VkResult VKAPI_CALL unless_lost(Handle handle, Arguments... arguments) {
  DeviceBelow& below = state().devices.at(handle);
  if (below.lost) return VK_ERROR_DEVICE_LOST;
  return (below.*Next)(handle, arguments...);
}

/// Vulkan leaves it to the driver whether this succeeds on a lost device. Validation takes only a success to
/// mean that nothing is in use any more.
VKAPI_ATTR VkResult VKAPI_CALL device_wait_idle(VkDevice device) {
  return state().devices.at(device).DeviceWaitIdle(device);
}

VKAPI_ATTR VkResult VKAPI_CALL wait_semaphores(VkDevice device, const VkSemaphoreWaitInfo* info,
                                               uint64_t timeout) {
  DeviceBelow& below = state().devices.at(device);
  if (below.unsaid) {  // the semaphore of what was not done is raised all the same
    below.unsaid = false;
    return below.WaitSemaphores(device, info, timeout);
  }
  if (is_lost(below, LossPoint::kWait, [&] { below.DeviceWaitIdle(device); })) return VK_ERROR_DEVICE_LOST;
  return below.WaitSemaphores(device, info, timeout);
}

VKAPI_ATTR void VKAPI_CALL destroy_device(VkDevice device, const VkAllocationCallbacks* allocator) {
  if (device == VK_NULL_HANDLE) return;
  const auto below = state().devices.take(device);
  below->DestroyDevice(device, allocator);
}

template <class Function>
PFN_vkVoidFunction erase_type(Function* function) {
  return reinterpret_cast<PFN_vkVoidFunction>(function);
}

}  // namespace

PFN_vkVoidFunction device_function(const char* name) {
  using D = DeviceBelow;
  static const auto buffer2 =
      erase_type(get_requirements2<&D::GetBufferMemoryRequirements2, VkBufferMemoryRequirementsInfo2>);
  static const auto image2 =
      erase_type(get_requirements2<&D::GetImageMemoryRequirements2, VkImageMemoryRequirementsInfo2>);
  static const auto device_buffer =
      erase_type(get_requirements2<&D::GetDeviceBufferMemoryRequirements, VkDeviceBufferMemoryRequirements>);
  static const auto device_image =
      erase_type(get_requirements2<&D::GetDeviceImageMemoryRequirements, VkDeviceImageMemoryRequirements>);
  static const auto counter_value =
      erase_type(unless_lost<&D::GetSemaphoreCounterValue, VkDevice, VkSemaphore, uint64_t*>);
  static const std::unordered_map<std::string_view, PFN_vkVoidFunction> functions = {
      {"vkGetDeviceProcAddr", erase_type(get_device_proc_addr)},
      {"vkDestroyDevice", erase_type(destroy_device)},
      {"vkAllocateMemory", erase_type(allocate_memory)},
      {"vkFreeMemory", erase_type(free_memory)},
      {"vkMapMemory", erase_type(map_memory)},
      {"vkCreateBuffer", erase_type(create_buffer)},
      {"vkGetBufferMemoryRequirements", erase_type(get_buffer_memory_requirements)},
      {"vkGetBufferMemoryRequirements2", buffer2},
      {"vkGetBufferMemoryRequirements2KHR", buffer2},
      {"vkGetImageMemoryRequirements", erase_type(get_image_memory_requirements)},
      {"vkGetImageMemoryRequirements2", image2},
      {"vkGetImageMemoryRequirements2KHR", image2},
      {"vkGetDeviceBufferMemoryRequirements", device_buffer},
      {"vkGetDeviceBufferMemoryRequirementsKHR", device_buffer},
      {"vkGetDeviceImageMemoryRequirements", device_image},
      {"vkGetDeviceImageMemoryRequirementsKHR", device_image},
      {"vkGetMemoryHostPointerPropertiesEXT", erase_type(get_host_pointer_properties)},
      {"vkQueueSubmit", erase_type(queue_submit)},
      {"vkQueueSubmit2", erase_type(queue_submit2)},
      {"vkQueueSubmit2KHR", erase_type(queue_submit2)},
      {"vkQueueWaitIdle", erase_type(unless_lost<&D::QueueWaitIdle, VkQueue>)},
      {"vkDeviceWaitIdle", erase_type(device_wait_idle)},
      {"vkWaitForFences",
       erase_type(unless_lost<&D::WaitForFences, VkDevice, uint32_t, const VkFence*, VkBool32, uint64_t>)},
      {"vkGetFenceStatus", erase_type(unless_lost<&D::GetFenceStatus, VkDevice, VkFence>)},
      {"vkWaitSemaphores", erase_type(wait_semaphores)},
      {"vkWaitSemaphoresKHR", erase_type(wait_semaphores)},
      {"vkGetSemaphoreCounterValue", counter_value},
      {"vkGetSemaphoreCounterValueKHR", counter_value},
  };
  const auto place = functions.find(name);
  return place == functions.end() ? nullptr : place->second;
}

}  // namespace caldera::simulated
