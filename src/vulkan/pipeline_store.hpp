// Compute pipelines, made once from SPIR-V and specialization constants, with the driver's cache kept on
// disk.
#pragma once

#include <vulkan/vulkan.h>

#include <cstdint>
#include <filesystem>
#include <map>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include "vulkan/device.hpp"

namespace caldera::vulkan {

/// Push constants that every device grants.
inline constexpr uint32_t kMaxConstantBytes = 128;

/// SPIR-V of one shader, with the name it is known by in messages and profiles.
struct Shader {
  std::string_view name;
  std::span<const uint32_t> code;
};

struct Pipeline {
  VkPipeline handle = VK_NULL_HANDLE;
  VkPipelineLayout layout = VK_NULL_HANDLE;
  std::string name;
  std::vector<uint32_t> constants;  ///< what it is specialised for
};

class PipelineStore {
 public:
  /// `cache_folder` may be empty: no cache on disk.
  PipelineStore(Device& device, const std::filesystem::path& cache_folder);
  ~PipelineStore();
  PipelineStore(const PipelineStore&) = delete;
  PipelineStore& operator=(const PipelineStore&) = delete;

  /// The pipeline of `shader` with constant_id 0, 1, ... set to `constants`. `subgroup_size` asks for exactly
  /// that size, with full subgroups, where the device can promise it; 0 leaves it to the driver. Several
  /// threads may ask at once, and compile side by side.
  const Pipeline& get(const Shader& shader, std::span<const uint32_t> constants, uint32_t subgroup_size);

  /// Every pipeline made so far, by name.
  std::vector<const Pipeline*> all() const;

  /// Where the driver's cache is kept, one file a driver build; empty: nowhere.
  const std::filesystem::path& cache_file() const { return cache_file_; }
  /// Writes the driver's cache to disk if it grew. Failure to write is not an error.
  void save();

 private:
  using Key = std::tuple<const uint32_t*, std::vector<uint32_t>, uint32_t>;

  Device& device_;
  std::filesystem::path cache_file_;
  VkPipelineCache cache_ = VK_NULL_HANDLE;
  size_t saved_bytes_ = 0;
  VkPipelineLayout layout_ = VK_NULL_HANDLE;
  std::map<Key, Pipeline> pipelines_;
  mutable std::mutex mutex_;  ///< of pipelines_
};

}  // namespace caldera::vulkan
