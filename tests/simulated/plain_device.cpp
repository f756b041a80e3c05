#include "simulated/plain_device.hpp"

#include "vulkan/result.hpp"

namespace caldera::test {

PlainDevice::PlainDevice(const vulkan::Instance& instance) : physical_(instance.choose("")) {
  std::vector<const char*> extensions;
  for (const char* name : {VK_EXT_MEMORY_BUDGET_EXTENSION_NAME, VK_EXT_EXTERNAL_MEMORY_HOST_EXTENSION_NAME}) {
    if (physical_.has_extension(name)) extensions.push_back(name);
  }
  VkPhysicalDeviceVulkan13Features v13{VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_3_FEATURES};
  v13.synchronization2 = VK_TRUE;
  v13.maintenance4 = VK_TRUE;
  VkPhysicalDeviceVulkan12Features v12{VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_2_FEATURES};
  v12.pNext = &v13;
  v12.timelineSemaphore = VK_TRUE;
  const float priority = 1;
  VkDeviceQueueCreateInfo queue{VK_STRUCTURE_TYPE_DEVICE_QUEUE_CREATE_INFO};
  queue.queueFamilyIndex = physical_.queue_family;
  queue.queueCount = 1;
  queue.pQueuePriorities = &priority;
  VkDeviceCreateInfo info{VK_STRUCTURE_TYPE_DEVICE_CREATE_INFO};
  info.pNext = &v12;
  info.queueCreateInfoCount = 1;
  info.pQueueCreateInfos = &queue;
  info.enabledExtensionCount = static_cast<uint32_t>(extensions.size());
  info.ppEnabledExtensionNames = extensions.data();
  vulkan::check(vkCreateDevice(physical_.handle, &info, nullptr, &device_), "opening a device");
  vkGetDeviceQueue(device_, physical_.queue_family, 0, &queue_);
}

PlainDevice::~PlainDevice() {
  free_all();
  vkDestroyDevice(device_, nullptr);
}

VkResult PlainDevice::allocate(const VkMemoryAllocateInfo& info) {
  VkDeviceMemory memory = VK_NULL_HANDLE;
  const VkResult result = vkAllocateMemory(device_, &info, nullptr, &memory);
  if (result == VK_SUCCESS) granted_.push_back(memory);
  return result;
}

VkResult PlainDevice::allocate(uint32_t type, uint64_t bytes) {
  VkMemoryAllocateInfo info{VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO};
  info.allocationSize = bytes;
  info.memoryTypeIndex = type;
  return allocate(info);
}

VkResult PlainDevice::import(uint32_t type, void* host, uint64_t bytes) {
  VkImportMemoryHostPointerInfoEXT from{VK_STRUCTURE_TYPE_IMPORT_MEMORY_HOST_POINTER_INFO_EXT};
  from.handleType = VK_EXTERNAL_MEMORY_HANDLE_TYPE_HOST_ALLOCATION_BIT_EXT;
  from.pHostPointer = host;
  VkMemoryAllocateInfo info{VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO};
  info.pNext = &from;
  info.allocationSize = bytes;
  info.memoryTypeIndex = type;
  return allocate(info);
}

void PlainDevice::free_last() {
  vkFreeMemory(device_, granted_.back(), nullptr);
  granted_.pop_back();
}

void PlainDevice::free_all() {
  while (!granted_.empty()) free_last();
}

VkResult PlainDevice::make_buffer(uint64_t bytes, VkBuffer& buffer) const {
  VkBufferCreateInfo info{VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO};
  info.size = bytes;
  info.usage = VK_BUFFER_USAGE_STORAGE_BUFFER_BIT;
  return vkCreateBuffer(device_, &info, nullptr, &buffer);
}

uint32_t PlainDevice::buffer_types() const {
  VkBuffer buffer = VK_NULL_HANDLE;
  vulkan::check(make_buffer(256, buffer), "creating a buffer");
  VkMemoryRequirements requirements{};
  vkGetBufferMemoryRequirements(device_, buffer, &requirements);
  vkDestroyBuffer(device_, buffer, nullptr);
  return requirements.memoryTypeBits;
}

VkPhysicalDeviceMemoryBudgetPropertiesEXT PlainDevice::budgets() const {
  VkPhysicalDeviceMemoryBudgetPropertiesEXT budget{
      VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MEMORY_BUDGET_PROPERTIES_EXT};
  VkPhysicalDeviceMemoryProperties2 memory{VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MEMORY_PROPERTIES_2};
  memory.pNext = &budget;
  vkGetPhysicalDeviceMemoryProperties2(physical_.handle, &memory);
  return budget;
}

}  // namespace caldera::test
