// The Vulkan instance, and the facts of every physical device.
#pragma once

#include <vulkan/vulkan.h>

#include <memory>
#include <string>
#include <vector>

#include "caldera/device.hpp"
#include "vulkan/matrix_shape.hpp"

namespace caldera::vulkan {

/// A physical device with everything that was asked of it once.
struct PhysicalDevice {
  VkPhysicalDevice handle = VK_NULL_HANDLE;
  DeviceInfo info;
  VkPhysicalDeviceType type = VK_PHYSICAL_DEVICE_TYPE_OTHER;
  VkPhysicalDeviceMemoryProperties memory{};
  std::vector<std::string> extensions;
  uint32_t queue_family = 0;  ///< one that computes
  uint32_t timestamp_bits = 0;
  float timestamp_period = 0;  ///< nanoseconds a tick
  uint64_t host_import_alignment = 0;
  bool subgroup_size_control = false;
  bool full_subgroups = false;
  bool mixed_dot_product = false;  ///< accelerated for signed with unsigned bytes too
  /// What matrix units multiply, each subgroup by itself; empty without VK_KHR_cooperative_matrix.
  std::vector<MatrixShape> matrix_shapes;
  bool bf16_matrices = false;  ///< those of bf16 among them can be used
  uint8_t pipeline_cache_uuid[VK_UUID_SIZE] = {};
  uint32_t vendor_id = 0;
  uint32_t device_id = 0;

  bool has_extension(std::string_view name) const;
  /// CPU and GPU share one memory: every heap runs at the same speed.
  bool unified_memory() const;
};

/// Messages of the validation layer, counted so that a test can demand that there were none.
struct ValidationLog {
  std::vector<std::string> messages;
};

class Instance {
 public:
  /// With `validation`, Khronos validation and synchronization checks report into validation_log().
  /// Errors: kDevice when there is no Vulkan loader or driver, or validation is asked for and not installed.
  explicit Instance(bool validation = false);
  ~Instance();
  Instance(const Instance&) = delete;
  Instance& operator=(const Instance&) = delete;

  VkInstance handle() const { return instance_; }
  bool validation() const { return messenger_ != VK_NULL_HANDLE; }
  /// Outlives the instance, so that what is said while it ends is not lost.
  std::shared_ptr<const ValidationLog> shared_validation_log() const { return log_; }
  const ValidationLog& validation_log() const { return *log_; }

  /// All devices, the one that `choice` names (see list_devices) marked as chosen.
  std::vector<PhysicalDevice> devices(const std::string& choice) const;
  /// The chosen device. Errors: kDevice, saying what there is and why none will do.
  PhysicalDevice choose(const std::string& choice) const;

 private:
  VkInstance instance_ = VK_NULL_HANDLE;
  VkDebugUtilsMessengerEXT messenger_ = VK_NULL_HANDLE;
  std::shared_ptr<ValidationLog> log_ = std::make_shared<ValidationLog>();
};

}  // namespace caldera::vulkan
