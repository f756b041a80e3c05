// What the simulated device says of itself: its name, kind, limits, heaps and types of memory.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "simulated/dispatch.hpp"

namespace caldera::simulated {
namespace {

constexpr char kLayerName[] = "VK_LAYER_CALDERA_simulated";
constexpr char kValidationName[] = "VK_LAYER_KHRONOS_validation";

/// The structure of this type in a chain, or null.
template <class T>
T* find(void* chain, VkStructureType type) {
  for (auto* next = static_cast<VkBaseOutStructure*>(chain); next != nullptr; next = next->pNext) {
    if (next->sType == type) return reinterpret_cast<T*>(next);
  }
  return nullptr;
}

/// The loader's link to the next layer: the structure of this type whose function is VK_LAYER_LINK_INFO.
template <class T>
T* find_link(const void* chain, VkStructureType type) {
  for (void* next = const_cast<void*>(chain); next != nullptr;) {
    T* found = find<T>(next, type);
    if (found == nullptr || found->function == VK_LAYER_LINK_INFO) return found;
    next = const_cast<void*>(found->pNext);
  }
  return nullptr;
}

/// A function of what is below, by its core name or as the extension that it was.
template <class Function, class Get, class Handle>
void load(Function& function, Get get, Handle handle, const std::string& name) {
  PFN_vkVoidFunction next = get(handle, name.c_str());
  if (next == nullptr) next = get(handle, (name + "KHR").c_str());
  function = reinterpret_cast<Function>(next);
}

/// Writes `items` the way Vulkan lists things: the count alone without an array, VK_INCOMPLETE if it is
/// small.
template <class T>
VkResult list(const std::vector<T>& items, uint32_t* count, T* array) {
  const auto all = static_cast<uint32_t>(items.size());
  if (array == nullptr) {
    *count = all;
    return VK_SUCCESS;
  }
  *count = std::min(*count, all);
  std::copy_n(items.begin(), *count, array);
  return *count < all ? VK_INCOMPLETE : VK_SUCCESS;
}

/// Layers that the program asks for lie below those of the environment, unless the environment names them
/// too.
bool validation_is_below(const VkInstanceCreateInfo& info) {
  const bool asked = std::any_of(info.ppEnabledLayerNames, info.ppEnabledLayerNames + info.enabledLayerCount,
                                 [](const char* name) { return std::strcmp(name, kValidationName) == 0; });
  const char* value = std::getenv("VK_INSTANCE_LAYERS");
  const std::string_view layers = value == nullptr ? "" : value;
  return asked && layers.find(kValidationName) > layers.find(kLayerName);
}

VKAPI_ATTR VkResult VKAPI_CALL create_instance(const VkInstanceCreateInfo* info,
                                               const VkAllocationCallbacks* allocator, VkInstance* instance) {
  auto* link =
      find_link<VkLayerInstanceCreateInfo>(info->pNext, VK_STRUCTURE_TYPE_LOADER_INSTANCE_CREATE_INFO);
  if (link == nullptr || link->u.pLayerInfo == nullptr) return VK_ERROR_INITIALIZATION_FAILED;
  if (validation_is_below(*info)) {
    std::fprintf(stderr,
                 "%s: validation must come first in VK_INSTANCE_LAYERS, to see the simulated device\n",
                 kLayerName);
    return VK_ERROR_INITIALIZATION_FAILED;
  }
  try {
    if (!state().open) open_state();
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s: %s\n", kLayerName, error.what());
    return VK_ERROR_INITIALIZATION_FAILED;
  }
  auto below = std::make_unique<InstanceBelow>();
  below->get = link->u.pLayerInfo->pfnNextGetInstanceProcAddr;
  link->u.pLayerInfo = link->u.pLayerInfo->pNext;
  const auto create = reinterpret_cast<PFN_vkCreateInstance>(below->get(VK_NULL_HANDLE, "vkCreateInstance"));
  if (create == nullptr) return VK_ERROR_INITIALIZATION_FAILED;
  const VkResult result = create(info, allocator, instance);
  if (result != VK_SUCCESS) return result;
  below->instance = *instance;
#define CALDERA_LOAD(name) load(below->name, below->get, *instance, "vk" #name);
  CALDERA_INSTANCE_FUNCTIONS(CALDERA_LOAD)
#undef CALDERA_LOAD
  state().instances.put(*instance, std::move(below));
  return VK_SUCCESS;
}

VKAPI_ATTR void VKAPI_CALL destroy_instance(VkInstance instance, const VkAllocationCallbacks* allocator) {
  if (instance == VK_NULL_HANDLE) return;
  const auto below = state().instances.take(instance);
  below->DestroyInstance(instance, allocator);
}

/// The driver that the simulated device stands on: the software device, else the first.
VkResult find_driver(VkInstance instance, std::vector<VkPhysicalDevice>& found) {
  InstanceBelow& below = state().instances.at(instance);
  uint32_t count = 0;
  VkResult result = below.EnumeratePhysicalDevices(instance, &count, nullptr);
  if (result != VK_SUCCESS) return result;
  found.resize(count);
  result = below.EnumeratePhysicalDevices(instance, &count, found.data());
  if (result < 0) return result;
  found.resize(count);
  for (VkPhysicalDevice handle : found) {
    VkPhysicalDeviceProperties properties{};
    below.GetPhysicalDeviceProperties(handle, &properties);
    if (properties.deviceType == VK_PHYSICAL_DEVICE_TYPE_CPU) {
      found.assign(1, handle);
      return VK_SUCCESS;
    }
  }
  if (count > 1) found.resize(1);
  return VK_SUCCESS;
}

VKAPI_ATTR VkResult VKAPI_CALL enumerate_physical_devices(VkInstance instance, uint32_t* count,
                                                          VkPhysicalDevice* handles) {
  std::vector<VkPhysicalDevice> found;
  const VkResult result = find_driver(instance, found);
  return result != VK_SUCCESS ? result : list(found, count, handles);
}

VKAPI_ATTR VkResult VKAPI_CALL enumerate_physical_device_groups(VkInstance instance, uint32_t* count,
                                                                VkPhysicalDeviceGroupProperties* groups) {
  std::vector<VkPhysicalDevice> found;
  const VkResult result = find_driver(instance, found);
  if (result != VK_SUCCESS) return result;
  std::vector<VkPhysicalDeviceGroupProperties> alone(found.size());
  for (size_t i = 0; i < found.size(); ++i) {
    alone[i].sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_GROUP_PROPERTIES;
    alone[i].physicalDeviceCount = 1;
    alone[i].physicalDevices[0] = found[i];
  }
  return list(alone, count, groups);
}

VKAPI_ATTR VkResult VKAPI_CALL enumerate_device_extension_properties(VkPhysicalDevice physical,
                                                                     const char* layer, uint32_t* count,
                                                                     VkExtensionProperties* properties) {
  if (layer != nullptr && std::strcmp(layer, kLayerName) == 0) {
    return list(std::vector<VkExtensionProperties>{}, count, properties);
  }
  InstanceBelow& below = state().instances.at(physical);
  if (layer != nullptr) return below.EnumerateDeviceExtensionProperties(physical, layer, count, properties);
  uint32_t there = 0;
  VkResult result = below.EnumerateDeviceExtensionProperties(physical, nullptr, &there, nullptr);
  if (result != VK_SUCCESS) return result;
  std::vector<VkExtensionProperties> shown(there);
  result = below.EnumerateDeviceExtensionProperties(physical, nullptr, &there, shown.data());
  if (result < 0) return result;
  shown.resize(there);
  std::erase_if(shown, [](const VkExtensionProperties& extension) {
    const std::string_view name = extension.extensionName;
    // The second way of mapping memory would pass by map_memory().
    return name == VK_EXT_MEMORY_BUDGET_EXTENSION_NAME || name == "VK_KHR_map_memory2";
  });
  if (state().shown.reports_budget) {
    shown.push_back({VK_EXT_MEMORY_BUDGET_EXTENSION_NAME, VK_EXT_MEMORY_BUDGET_SPEC_VERSION});
  }
  return list(shown, count, properties);
}

VkPhysicalDeviceType device_type(plan::DeviceType type) {
  switch (type) {
    case plan::DeviceType::kIntegrated:
      return VK_PHYSICAL_DEVICE_TYPE_INTEGRATED_GPU;
    case plan::DeviceType::kDiscrete:
      return VK_PHYSICAL_DEVICE_TYPE_DISCRETE_GPU;
    case plan::DeviceType::kVirtual:
      return VK_PHYSICAL_DEVICE_TYPE_VIRTUAL_GPU;
    case plan::DeviceType::kCpu:
      return VK_PHYSICAL_DEVICE_TYPE_CPU;
    case plan::DeviceType::kOther:
      break;
  }
  return VK_PHYSICAL_DEVICE_TYPE_OTHER;
}

/// Lowers a limit of the driver to the row's: what stands on the driver cannot do more than it.
template <class T>
void lower(T& limit, uint64_t shown) {
  limit = static_cast<T>(std::min<uint64_t>(limit, shown));
}

void show(VkPhysicalDeviceProperties& properties) {
  const ShownDevice& shown = state().shown;
  properties.deviceType = device_type(shown.topology.type);
  std::snprintf(properties.deviceName, sizeof properties.deviceName, "%s", shown.topology.name.c_str());
  lower(properties.limits.maxStorageBufferRange, shown.topology.max_storage_range);
  lower(properties.limits.maxMemoryAllocationCount, shown.max_allocations);
}

VKAPI_ATTR void VKAPI_CALL get_physical_device_properties(VkPhysicalDevice physical,
                                                          VkPhysicalDeviceProperties* properties) {
  state().instances.at(physical).GetPhysicalDeviceProperties(physical, properties);
  show(*properties);
}

VKAPI_ATTR void VKAPI_CALL get_physical_device_properties2(VkPhysicalDevice physical,
                                                           VkPhysicalDeviceProperties2* properties) {
  state().instances.at(physical).GetPhysicalDeviceProperties2(physical, properties);
  const plan::Topology& row = state().shown.topology;
  show(properties->properties);
  if (auto* in = find<VkPhysicalDeviceVulkan11Properties>(
          properties->pNext, VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_1_PROPERTIES)) {
    lower(in->maxMemoryAllocationSize, row.max_allocation);
  }
  if (auto* in = find<VkPhysicalDeviceMaintenance3Properties>(
          properties->pNext, VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MAINTENANCE_3_PROPERTIES)) {
    lower(in->maxMemoryAllocationSize, row.max_allocation);
  }
  if (auto* in = find<VkPhysicalDeviceVulkan13Properties>(
          properties->pNext, VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_3_PROPERTIES)) {
    lower(in->maxBufferSize, row.max_buffer);
  }
  if (auto* in = find<VkPhysicalDeviceMaintenance4Properties>(
          properties->pNext, VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MAINTENANCE_4_PROPERTIES)) {
    lower(in->maxBufferSize, row.max_buffer);
  }
}

VkMemoryPropertyFlags flags(const plan::MemoryType& type) {
  VkMemoryPropertyFlags flags = 0;
  if (type.device_local) flags |= VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT;
  if (type.host_visible) flags |= VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT;
  if (type.host_coherent) flags |= VK_MEMORY_PROPERTY_HOST_COHERENT_BIT;
  if (type.host_cached) flags |= VK_MEMORY_PROPERTY_HOST_CACHED_BIT;
  if (type.special) {
    flags |= VK_MEMORY_PROPERTY_DEVICE_COHERENT_BIT_AMD | VK_MEMORY_PROPERTY_DEVICE_UNCACHED_BIT_AMD;
  }
  return flags;
}

VKAPI_ATTR void VKAPI_CALL get_memory_properties(VkPhysicalDevice /*physical*/,
                                                 VkPhysicalDeviceMemoryProperties* properties) {
  const plan::Topology& row = state().shown.topology;
  *properties = {};
  properties->memoryHeapCount = static_cast<uint32_t>(row.heaps.size());
  for (size_t i = 0; i < row.heaps.size(); ++i) {
    properties->memoryHeaps[i].size = row.heaps[i].bytes;
    if (row.heaps[i].device_local) properties->memoryHeaps[i].flags = VK_MEMORY_HEAP_DEVICE_LOCAL_BIT;
  }
  properties->memoryTypeCount = static_cast<uint32_t>(row.types.size());
  for (size_t i = 0; i < row.types.size(); ++i) {
    properties->memoryTypes[i] = {flags(row.types[i]), row.types[i].heap};
  }
}

VKAPI_ATTR void VKAPI_CALL get_memory_properties2(VkPhysicalDevice physical,
                                                  VkPhysicalDeviceMemoryProperties2* properties) {
  State& now = state();
  now.instances.at(physical).GetPhysicalDeviceMemoryProperties2(physical, properties);
  get_memory_properties(physical, &properties->memoryProperties);
  auto* budget = find<VkPhysicalDeviceMemoryBudgetPropertiesEXT>(
      properties->pNext, VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MEMORY_BUDGET_PROPERTIES_EXT);
  if (budget == nullptr || !now.shown.reports_budget) return;
  for (uint32_t i = 0; i < VK_MAX_MEMORY_HEAPS; ++i) {
    budget->heapBudget[i] = now.accounts.budget(i);
    budget->heapUsage[i] = now.accounts.used(i);
  }
}

/// The driver's own type of memory that all simulated types stand on.
uint32_t find_memory_type(const InstanceBelow& below, VkPhysicalDevice physical) {
  VkPhysicalDeviceMemoryProperties memory{};
  below.GetPhysicalDeviceMemoryProperties(physical, &memory);
  constexpr VkMemoryPropertyFlags kWanted =
      VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT | VK_MEMORY_PROPERTY_HOST_COHERENT_BIT;
  for (uint32_t i = 0; i < memory.memoryTypeCount; ++i) {
    if ((memory.memoryTypes[i].propertyFlags & kWanted) == kWanted) return i;
  }
  return 0;
}

VKAPI_ATTR VkResult VKAPI_CALL create_device(VkPhysicalDevice physical, const VkDeviceCreateInfo* info,
                                             const VkAllocationCallbacks* allocator, VkDevice* device) {
  InstanceBelow& instance = state().instances.at(physical);
  auto* link = find_link<VkLayerDeviceCreateInfo>(info->pNext, VK_STRUCTURE_TYPE_LOADER_DEVICE_CREATE_INFO);
  if (link == nullptr || link->u.pLayerInfo == nullptr) return VK_ERROR_INITIALIZATION_FAILED;
  auto below = std::make_unique<DeviceBelow>();
  below->get = link->u.pLayerInfo->pfnNextGetDeviceProcAddr;
  const PFN_vkGetInstanceProcAddr get = link->u.pLayerInfo->pfnNextGetInstanceProcAddr;
  link->u.pLayerInfo = link->u.pLayerInfo->pNext;
  const auto create = reinterpret_cast<PFN_vkCreateDevice>(get(instance.instance, "vkCreateDevice"));
  if (create == nullptr) return VK_ERROR_INITIALIZATION_FAILED;
  // The budget is the layer's own: the driver may not know it.
  std::vector<const char*> extensions;
  for (uint32_t i = 0; i < info->enabledExtensionCount; ++i) {
    const char* name = info->ppEnabledExtensionNames[i];
    if (std::strcmp(name, VK_EXT_MEMORY_BUDGET_EXTENSION_NAME) != 0) extensions.push_back(name);
  }
  VkDeviceCreateInfo passed = *info;
  passed.enabledExtensionCount = static_cast<uint32_t>(extensions.size());
  passed.ppEnabledExtensionNames = extensions.data();
  const VkResult result = create(physical, &passed, allocator, device);
  if (result != VK_SUCCESS) return result;
#define CALDERA_LOAD(name) load(below->name, below->get, *device, "vk" #name);
  CALDERA_DEVICE_FUNCTIONS(CALDERA_LOAD)
#undef CALDERA_LOAD
  below->memory_type = find_memory_type(instance, physical);
  state().devices.put(*device, std::move(below));
  return VK_SUCCESS;
}

template <class Function>
PFN_vkVoidFunction erase_type(Function* function) {
  return reinterpret_cast<PFN_vkVoidFunction>(function);
}

}  // namespace

PFN_vkVoidFunction instance_function(const char* name) {
  static const std::unordered_map<std::string_view, PFN_vkVoidFunction> functions = {
      {"vkCreateInstance", erase_type(create_instance)},
      {"vkDestroyInstance", erase_type(destroy_instance)},
      {"vkEnumeratePhysicalDevices", erase_type(enumerate_physical_devices)},
      {"vkEnumeratePhysicalDeviceGroups", erase_type(enumerate_physical_device_groups)},
      {"vkEnumeratePhysicalDeviceGroupsKHR", erase_type(enumerate_physical_device_groups)},
      {"vkEnumerateDeviceExtensionProperties", erase_type(enumerate_device_extension_properties)},
      {"vkGetPhysicalDeviceProperties", erase_type(get_physical_device_properties)},
      {"vkGetPhysicalDeviceProperties2", erase_type(get_physical_device_properties2)},
      {"vkGetPhysicalDeviceProperties2KHR", erase_type(get_physical_device_properties2)},
      {"vkGetPhysicalDeviceMemoryProperties", erase_type(get_memory_properties)},
      {"vkGetPhysicalDeviceMemoryProperties2", erase_type(get_memory_properties2)},
      {"vkGetPhysicalDeviceMemoryProperties2KHR", erase_type(get_memory_properties2)},
      {"vkCreateDevice", erase_type(create_device)},
  };
  const auto place = functions.find(name);
  return place == functions.end() ? nullptr : place->second;
}

}  // namespace caldera::simulated
