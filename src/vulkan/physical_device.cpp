#include "vulkan/physical_device.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "vulkan/matrix_extensions.hpp"

namespace caldera::vulkan {
namespace {

std::string type_name(VkPhysicalDeviceType type) {
  switch (type) {
    case VK_PHYSICAL_DEVICE_TYPE_DISCRETE_GPU:
      return "discrete";
    case VK_PHYSICAL_DEVICE_TYPE_INTEGRATED_GPU:
      return "integrated";
    case VK_PHYSICAL_DEVICE_TYPE_VIRTUAL_GPU:
      return "virtual";
    case VK_PHYSICAL_DEVICE_TYPE_CPU:
      return "cpu";
    default:
      return "other";
  }
}

std::string version_text(uint32_t version) {
  return fmt::format("{}.{}.{}", VK_API_VERSION_MAJOR(version), VK_API_VERSION_MINOR(version),
                     VK_API_VERSION_PATCH(version));
}

std::string component_name(VkComponentTypeKHR type) {
  switch (static_cast<uint32_t>(type)) {
    case VK_COMPONENT_TYPE_FLOAT16_KHR:
      return "f16";
    case VK_COMPONENT_TYPE_FLOAT32_KHR:
      return "f32";
    case VK_COMPONENT_TYPE_FLOAT64_KHR:
      return "f64";
    case VK_COMPONENT_TYPE_SINT8_KHR:
      return "s8";
    case VK_COMPONENT_TYPE_SINT16_KHR:
      return "s16";
    case VK_COMPONENT_TYPE_SINT32_KHR:
      return "s32";
    case VK_COMPONENT_TYPE_UINT8_KHR:
      return "u8";
    case VK_COMPONENT_TYPE_UINT16_KHR:
      return "u16";
    case VK_COMPONENT_TYPE_UINT32_KHR:
      return "u32";
    case VK_COMPONENT_TYPE_BFLOAT16_KHR:
      return "bf16";
    case 1000491002:
      return "e4m3";
    case 1000491003:
      return "e5m2";
    default:
      return fmt::format("type{}", static_cast<uint32_t>(type));
  }
}

std::vector<MatrixShape> matrix_shapes(VkInstance instance, VkPhysicalDevice handle) {
  const auto get = reinterpret_cast<PFN_vkGetPhysicalDeviceCooperativeMatrixPropertiesKHR>(
      vkGetInstanceProcAddr(instance, "vkGetPhysicalDeviceCooperativeMatrixPropertiesKHR"));
  if (get == nullptr) return {};
  uint32_t count = 0;
  if (get(handle, &count, nullptr) != VK_SUCCESS) return {};
  std::vector<VkCooperativeMatrixPropertiesKHR> all(count);
  for (auto& shape : all) shape.sType = VK_STRUCTURE_TYPE_COOPERATIVE_MATRIX_PROPERTIES_KHR;
  if (get(handle, &count, all.data()) != VK_SUCCESS) return {};
  std::vector<MatrixShape> shapes;
  for (const auto& shape : all) {
    if (shape.scope != VK_SCOPE_SUBGROUP_KHR) continue;
    shapes.push_back({shape.MSize, shape.NSize, shape.KSize, shape.AType, shape.BType, shape.CType,
                      shape.ResultType, shape.saturatingAccumulation == VK_TRUE});
  }
  return shapes;
}

std::vector<std::string> names_of(const std::vector<MatrixShape>& shapes) {
  std::vector<std::string> names;
  for (const MatrixShape& shape : shapes) {
    std::string name = fmt::format("{} {}x{}x{} -> {}", component_name(shape.a), shape.m, shape.n, shape.k,
                                   component_name(shape.result));
    if (std::find(names.begin(), names.end(), name) == names.end()) names.push_back(std::move(name));
  }
  return names;
}

/// The queue family to compute on: one without graphics where there is one, so that the desktop is not held
/// up.
bool find_queue(VkPhysicalDevice handle, PhysicalDevice& device) {
  uint32_t count = 0;
  vkGetPhysicalDeviceQueueFamilyProperties(handle, &count, nullptr);
  std::vector<VkQueueFamilyProperties> families(count);
  vkGetPhysicalDeviceQueueFamilyProperties(handle, &count, families.data());
  bool found = false;
  for (uint32_t i = 0; i < count; ++i) {
    if ((families[i].queueFlags & VK_QUEUE_COMPUTE_BIT) == 0) continue;
    const bool compute_only = (families[i].queueFlags & VK_QUEUE_GRAPHICS_BIT) == 0;
    if (found && !compute_only) continue;
    device.queue_family = i;
    device.timestamp_bits = families[i].timestampValidBits;
    found = true;
    if (compute_only) break;
  }
  return found;
}

/// The first feature Caldera cannot do without that this device lacks, or an empty string.
std::string missing_feature(const VkPhysicalDeviceFeatures& core, const VkPhysicalDeviceVulkan12Features& v12,
                            const VkPhysicalDeviceVulkan13Features& v13,
                            const VkPhysicalDeviceSubgroupProperties& subgroup) {
  if (v12.bufferDeviceAddress == VK_FALSE) return "buffer device addresses";
  if (v12.timelineSemaphore == VK_FALSE) return "timeline semaphores";
  if (v12.subgroupBroadcastDynamicId == VK_FALSE) return "subgroup broadcasts from any lane";
  if (core.shaderInt64 == VK_FALSE) return "64-bit integers in shaders";
  if (v13.synchronization2 == VK_FALSE) return "synchronization2";
  const VkSubgroupFeatureFlags needed = VK_SUBGROUP_FEATURE_BASIC_BIT | VK_SUBGROUP_FEATURE_ARITHMETIC_BIT |
                                        VK_SUBGROUP_FEATURE_BALLOT_BIT | VK_SUBGROUP_FEATURE_SHUFFLE_BIT;
  if ((subgroup.supportedOperations & needed) != needed ||
      (subgroup.supportedStages & VK_SHADER_STAGE_COMPUTE_BIT) == 0) {
    return "subgroup arithmetic, broadcasts and shuffles in compute shaders";
  }
  return {};
}

}  // namespace

bool PhysicalDevice::has_extension(std::string_view name) const {
  return std::find(extensions.begin(), extensions.end(), name) != extensions.end();
}

bool PhysicalDevice::unified_memory() const {
  return type == VK_PHYSICAL_DEVICE_TYPE_INTEGRATED_GPU || type == VK_PHYSICAL_DEVICE_TYPE_CPU;
}

PhysicalDevice describe(VkInstance instance, VkPhysicalDevice handle) {
  PhysicalDevice device;
  device.handle = handle;
  uint32_t count = 0;
  vkEnumerateDeviceExtensionProperties(handle, nullptr, &count, nullptr);
  std::vector<VkExtensionProperties> extensions(count);
  vkEnumerateDeviceExtensionProperties(handle, nullptr, &count, extensions.data());
  for (const auto& extension : extensions) device.extensions.emplace_back(extension.extensionName);

  VkPhysicalDeviceProperties base{};
  vkGetPhysicalDeviceProperties(handle, &base);
  DeviceInfo& info = device.info;
  info.name = base.deviceName;
  info.type = type_name(base.deviceType);
  info.api_version = version_text(base.apiVersion);
  device.type = base.deviceType;
  device.vendor_id = base.vendorID;
  device.device_id = base.deviceID;
  device.timestamp_period = base.limits.timestampPeriod;
  std::memcpy(device.pipeline_cache_uuid, base.pipelineCacheUUID, VK_UUID_SIZE);
  info.max_storage_range_bytes = base.limits.maxStorageBufferRange;
  info.max_shared_bytes = base.limits.maxComputeSharedMemorySize;
  info.max_workgroup_invocations = base.limits.maxComputeWorkGroupInvocations;
  if (base.apiVersion < VK_API_VERSION_1_3) {
    info.reason =
        fmt::format("its driver offers Vulkan {} and Caldera needs 1.3: update the driver", info.api_version);
    return device;
  }

  const bool host_import = device.has_extension(VK_EXT_EXTERNAL_MEMORY_HOST_EXTENSION_NAME);
  VkPhysicalDeviceExternalMemoryHostPropertiesEXT import{
      VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_EXTERNAL_MEMORY_HOST_PROPERTIES_EXT};
  VkPhysicalDeviceSubgroupProperties subgroup{VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SUBGROUP_PROPERTIES};
  VkPhysicalDeviceVulkan13Properties p13{VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_3_PROPERTIES};
  VkPhysicalDeviceVulkan12Properties p12{VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_2_PROPERTIES};
  VkPhysicalDeviceVulkan11Properties p11{VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_1_PROPERTIES};
  VkPhysicalDeviceProperties2 properties{VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PROPERTIES_2};
  properties.pNext = &p11;
  p11.pNext = &p12;
  p12.pNext = &p13;
  p13.pNext = &subgroup;
  if (host_import) {
    import.pNext = subgroup.pNext;
    subgroup.pNext = &import;
  }
  const bool pci = device.has_extension(VK_EXT_PCI_BUS_INFO_EXTENSION_NAME);
  VkPhysicalDevicePCIBusInfoPropertiesEXT bus{VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PCI_BUS_INFO_PROPERTIES_EXT};
  if (pci) {
    bus.pNext = subgroup.pNext;
    subgroup.pNext = &bus;
  }
  vkGetPhysicalDeviceProperties2(handle, &properties);
  // As the kernel writes it in sysfs.
  if (pci) {
    info.pci_address =
        fmt::format("{:04x}:{:02x}:{:02x}.{:x}", bus.pciDomain, bus.pciBus, bus.pciDevice, bus.pciFunction);
  }

  VkPhysicalDeviceVulkan13Features f13{VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_3_FEATURES};
  VkPhysicalDeviceVulkan12Features f12{VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_2_FEATURES};
  VkPhysicalDeviceShaderBfloat16FeaturesKHR bf16{
      VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SHADER_BFLOAT16_FEATURES_KHR};
  VkPhysicalDeviceFeatures2 features{VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FEATURES_2};
  features.pNext = &f12;
  f12.pNext = &f13;
  if (device.has_extension(VK_KHR_SHADER_BFLOAT16_EXTENSION_NAME)) f13.pNext = &bf16;
  vkGetPhysicalDeviceFeatures2(handle, &features);

  info.driver = fmt::format("{} {}", p12.driverName, p12.driverInfo);
  info.max_allocation_bytes = p11.maxMemoryAllocationSize;
  info.max_buffer_bytes = p13.maxBufferSize;
  info.subgroup_size = subgroup.subgroupSize;
  info.min_subgroup_size = p13.minSubgroupSize;
  info.max_subgroup_size = p13.maxSubgroupSize;
  info.float16 = f12.shaderFloat16 == VK_TRUE;
  info.int8 = f12.shaderInt8 == VK_TRUE;
  device.mixed_dot_product = p13.integerDotProduct4x8BitPackedMixedSignednessAccelerated == VK_TRUE;
  info.integer_dot_product =
      f13.shaderIntegerDotProduct == VK_TRUE && p13.integerDotProduct4x8BitPackedSignedAccelerated == VK_TRUE;
  info.memory_budget = device.has_extension(VK_EXT_MEMORY_BUDGET_EXTENSION_NAME);
  info.host_import = host_import;
  device.host_import_alignment = host_import ? import.minImportedHostPointerAlignment : 0;
  device.subgroup_size_control = f13.subgroupSizeControl == VK_TRUE &&
                                 (p13.requiredSubgroupSizeStages & VK_SHADER_STAGE_COMPUTE_BIT) != 0;
  device.full_subgroups = f13.computeFullSubgroups == VK_TRUE;
  if (device.has_extension(VK_KHR_COOPERATIVE_MATRIX_EXTENSION_NAME)) {
    device.matrix_shapes = matrix_shapes(instance, handle);
    info.cooperative_matrix = names_of(device.matrix_shapes);
    device.bf16_matrices =
        bf16.shaderBFloat16Type == VK_TRUE && bf16.shaderBFloat16CooperativeMatrix == VK_TRUE;
  }
  info.cooperative_matrix2 = device.has_extension("VK_NV_cooperative_matrix2");

  update_budgets(device);
  const std::string missing = missing_feature(features.features, f12, f13, subgroup);
  if (!missing.empty()) {
    info.reason = fmt::format("its driver lacks {}: update the driver", missing);
  } else if (!find_queue(handle, device)) {
    info.reason = "it has no queue that computes";
  } else {
    info.usable = true;
  }
  return device;
}

void update_budgets(PhysicalDevice& device) {
  VkPhysicalDeviceMemoryBudgetPropertiesEXT budget{
      VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MEMORY_BUDGET_PROPERTIES_EXT};
  VkPhysicalDeviceMemoryProperties2 memory{VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MEMORY_PROPERTIES_2};
  vkGetPhysicalDeviceMemoryProperties2(device.handle, &memory);
  // Mesa's RADV without hardware has no heaps, and crashes when asked for their budgets.
  const bool has_budget = device.has_extension(VK_EXT_MEMORY_BUDGET_EXTENSION_NAME) &&
                          memory.memoryProperties.memoryHeapCount > 0;
  if (has_budget) memory.pNext = &budget;
  vkGetPhysicalDeviceMemoryProperties2(device.handle, &memory);
  device.memory = memory.memoryProperties;
  device.info.heaps.clear();
  for (uint32_t i = 0; i < device.memory.memoryHeapCount; ++i) {
    HeapInfo heap;
    heap.bytes = device.memory.memoryHeaps[i].size;
    heap.device_local = (device.memory.memoryHeaps[i].flags & VK_MEMORY_HEAP_DEVICE_LOCAL_BIT) != 0;
    if (has_budget) {
      heap.budget = budget.heapBudget[i];
      heap.used = budget.heapUsage[i];
    }
    device.info.heaps.push_back(heap);
  }
}

plan::Topology topology_of(const PhysicalDevice& device) {
  /// Memory that needs features we do not switch on, or that bypasses the caches (AMD lists it beside each
  /// type).
  constexpr VkMemoryPropertyFlags kSpecial =
      VK_MEMORY_PROPERTY_LAZILY_ALLOCATED_BIT | VK_MEMORY_PROPERTY_PROTECTED_BIT |
      VK_MEMORY_PROPERTY_DEVICE_COHERENT_BIT_AMD | VK_MEMORY_PROPERTY_DEVICE_UNCACHED_BIT_AMD;
  plan::Topology topology;
  topology.name = device.info.name;
  topology.machine = device.info.driver;
  topology.matrix_units = !device.matrix_shapes.empty();
  switch (device.type) {
    case VK_PHYSICAL_DEVICE_TYPE_INTEGRATED_GPU:
      topology.type = plan::DeviceType::kIntegrated;
      break;
    case VK_PHYSICAL_DEVICE_TYPE_DISCRETE_GPU:
      topology.type = plan::DeviceType::kDiscrete;
      break;
    case VK_PHYSICAL_DEVICE_TYPE_VIRTUAL_GPU:
      topology.type = plan::DeviceType::kVirtual;
      break;
    case VK_PHYSICAL_DEVICE_TYPE_CPU:
      topology.type = plan::DeviceType::kCpu;
      break;
    default:
      break;
  }
  for (const HeapInfo& heap : device.info.heaps) {
    topology.heaps.push_back({heap.bytes, heap.device_local, heap.budget});
  }
  for (uint32_t i = 0; i < device.memory.memoryTypeCount; ++i) {
    const VkMemoryType& type = device.memory.memoryTypes[i];
    const auto has = [&](VkMemoryPropertyFlags flags) { return (type.propertyFlags & flags) != 0; };
    topology.types.push_back({.heap = type.heapIndex,
                              .device_local = has(VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT),
                              .host_visible = has(VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT),
                              .host_coherent = has(VK_MEMORY_PROPERTY_HOST_COHERENT_BIT),
                              .host_cached = has(VK_MEMORY_PROPERTY_HOST_CACHED_BIT),
                              .special = has(kSpecial)});
  }
  topology.max_allocation = device.info.max_allocation_bytes;
  topology.max_buffer = device.info.max_buffer_bytes;
  topology.max_storage_range = device.info.max_storage_range_bytes;
  return topology;
}

}  // namespace caldera::vulkan
