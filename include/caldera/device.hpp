// The Vulkan devices of this machine, as Caldera sees them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace caldera {

/// One memory heap. Sizes in bytes.
struct HeapInfo {
  uint64_t bytes = 0;
  bool device_local = false;
  std::optional<uint64_t> budget;  ///< what the driver would give this process now, where it says
  std::optional<uint64_t> used;    ///< what this process holds of it now, where the driver says
};

/// What of one heap is in use by a model, in bytes.
struct HeapUse {
  uint32_t heap = 0;  ///< index into DeviceInfo::heaps
  bool near = true;   ///< at the speed of the device's memory; false: across the bus
  uint64_t weights = 0;
  uint64_t kv = 0;
  uint64_t activations = 0;
  uint64_t staging = 0;
  uint64_t reserved = 0;  ///< taken from the driver for all of these
  uint32_t chunks = 0;    ///< in that many allocations
};

/// What matters of a Vulkan device for running models.
struct DeviceInfo {
  uint32_t index = 0;       ///< place in list_devices(), usable as a choice
  std::string name;         ///< "AMD Radeon Graphics (RADV GFX1151)"
  std::string type;         ///< "discrete", "integrated", "virtual", "cpu" or "other"
  std::string driver;       ///< "radv Mesa 25.0.7"
  std::string api_version;  ///< "1.3.230"
  std::string pci_address;  ///< "0000:c4:00.0"; empty where the driver does not say
  std::vector<HeapInfo> heaps;

  uint64_t max_allocation_bytes = 0;
  uint64_t max_buffer_bytes = 0;
  uint64_t max_storage_range_bytes = 0;
  uint32_t max_shared_bytes = 0;
  uint32_t max_workgroup_invocations = 0;
  uint32_t subgroup_size = 0;
  uint32_t min_subgroup_size = 0;
  uint32_t max_subgroup_size = 0;
  bool float16 = false;              ///< 16-bit float arithmetic in shaders
  bool int8 = false;                 ///< 8-bit integer arithmetic in shaders
  bool integer_dot_product = false;  ///< accelerated packed 4x8-bit dot products
  bool memory_budget = false;        ///< VK_EXT_memory_budget
  bool host_import = false;          ///< VK_EXT_external_memory_host
  /// Shapes of VK_KHR_cooperative_matrix, "f16 16x16x16 -> f32"; empty without it.
  std::vector<std::string> cooperative_matrix;
  bool cooperative_matrix2 = false;  ///< VK_NV_cooperative_matrix2

  bool usable = false;
  std::string reason;   ///< why it is not usable, or why it was chosen or passed over
  bool chosen = false;  ///< the one that a load with the same choice would use
};

/// All Vulkan devices. `choice` is empty (the best one), an index, or a part of a device's name.
/// An empty result means that no Vulkan driver is installed. Errors: kDevice (no Vulkan loader answers).
std::vector<DeviceInfo> list_devices(const std::string& choice = {});

/// Which optional kernels this build contains, one line each ("cooperative matrix: built").
std::vector<std::string> build_features();

}  // namespace caldera
