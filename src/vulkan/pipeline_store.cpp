#include "vulkan/pipeline_store.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <fstream>
#include <iterator>

#include "vulkan/result.hpp"

namespace caldera::vulkan {
namespace {

std::vector<char> read_file(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

/// One file a driver build: its UUID changes when a cached binary would no longer be valid.
std::string cache_name(const PhysicalDevice& physical) {
  std::string name;
  for (const uint8_t byte : physical.pipeline_cache_uuid) name += fmt::format("{:02x}", byte);
  return name + ".bin";
}

}  // namespace

PipelineStore::PipelineStore(Device& device, const std::filesystem::path& cache_folder) : device_(device) {
  std::vector<char> cached;
  if (!cache_folder.empty()) {
    cache_file_ = cache_folder / cache_name(device.physical());
    cached = read_file(cache_file_);
  }
  VkPipelineCacheCreateInfo cache{VK_STRUCTURE_TYPE_PIPELINE_CACHE_CREATE_INFO};
  cache.initialDataSize = cached.size();
  cache.pInitialData = cached.data();
  if (vkCreatePipelineCache(device.handle(), &cache, nullptr, &cache_) != VK_SUCCESS) {
    // A damaged cache is thrown away, never an error.
    cache.initialDataSize = 0;
    check(vkCreatePipelineCache(device.handle(), &cache, nullptr, &cache_), "creating a pipeline cache");
  }
  saved_bytes_ = cache.initialDataSize;

  const VkPushConstantRange range{VK_SHADER_STAGE_COMPUTE_BIT, 0, kMaxConstantBytes};
  VkPipelineLayoutCreateInfo layout{VK_STRUCTURE_TYPE_PIPELINE_LAYOUT_CREATE_INFO};
  layout.pushConstantRangeCount = 1;
  layout.pPushConstantRanges = &range;
  const VkResult result = vkCreatePipelineLayout(device.handle(), &layout, nullptr, &layout_);
  if (result != VK_SUCCESS) vkDestroyPipelineCache(device.handle(), cache_, nullptr);
  check(result, "creating the pipeline layout");
}

PipelineStore::~PipelineStore() {
  for (const auto& [key, pipeline] : pipelines_)
    vkDestroyPipeline(device_.handle(), pipeline.handle, nullptr);
  vkDestroyPipelineLayout(device_.handle(), layout_, nullptr);
  vkDestroyPipelineCache(device_.handle(), cache_, nullptr);
}

const Pipeline& PipelineStore::get(const Shader& shader, std::span<const uint32_t> constants,
                                   uint32_t subgroup_size) {
  Key key{shader.code.data(), {constants.begin(), constants.end()}, subgroup_size};
  {
    const std::scoped_lock lock(mutex_);
    if (const auto found = pipelines_.find(key); found != pipelines_.end()) return found->second;
  }
  VkShaderModuleCreateInfo module_info{VK_STRUCTURE_TYPE_SHADER_MODULE_CREATE_INFO};
  module_info.codeSize = shader.code.size_bytes();
  module_info.pCode = shader.code.data();
  VkShaderModule module = VK_NULL_HANDLE;
  check(vkCreateShaderModule(device_.handle(), &module_info, nullptr, &module),
        fmt::format("loading the kernel {}", shader.name));

  std::vector<VkSpecializationMapEntry> entries;
  for (uint32_t i = 0; i < constants.size(); ++i) entries.push_back({i, i * 4, 4});
  VkSpecializationInfo specialization{};
  specialization.mapEntryCount = static_cast<uint32_t>(entries.size());
  specialization.pMapEntries = entries.data();
  specialization.dataSize = constants.size_bytes();
  specialization.pData = constants.data();

  const PhysicalDevice& physical = device_.physical();
  VkPipelineShaderStageRequiredSubgroupSizeCreateInfo required{
      VK_STRUCTURE_TYPE_PIPELINE_SHADER_STAGE_REQUIRED_SUBGROUP_SIZE_CREATE_INFO};
  required.requiredSubgroupSize = subgroup_size;
  VkComputePipelineCreateInfo info{VK_STRUCTURE_TYPE_COMPUTE_PIPELINE_CREATE_INFO};
  info.stage.sType = VK_STRUCTURE_TYPE_PIPELINE_SHADER_STAGE_CREATE_INFO;
  info.stage.stage = VK_SHADER_STAGE_COMPUTE_BIT;
  info.stage.module = module;
  info.stage.pName = "main";
  info.stage.pSpecializationInfo = &specialization;
  info.layout = layout_;
  if (subgroup_size > 0 && physical.subgroup_size_control) info.stage.pNext = &required;
  if (subgroup_size > 0 && physical.full_subgroups) {
    info.stage.flags |= VK_PIPELINE_SHADER_STAGE_CREATE_REQUIRE_FULL_SUBGROUPS_BIT;
  }
  if (device_.compile_only()) {
    info.flags = VK_PIPELINE_CREATE_CAPTURE_STATISTICS_BIT_KHR |
                 VK_PIPELINE_CREATE_CAPTURE_INTERNAL_REPRESENTATIONS_BIT_KHR;
  }
  Pipeline pipeline;
  pipeline.layout = layout_;
  pipeline.name = shader.name;
  pipeline.constants.assign(constants.begin(), constants.end());
  const VkResult result =
      vkCreateComputePipelines(device_.handle(), cache_, 1, &info, nullptr, &pipeline.handle);
  vkDestroyShaderModule(device_.handle(), module, nullptr);
  check(result, fmt::format("compiling the kernel {}", shader.name));
  const std::scoped_lock lock(mutex_);
  const auto [at, added] = pipelines_.try_emplace(std::move(key), pipeline);
  if (!added) vkDestroyPipeline(device_.handle(), pipeline.handle, nullptr);  // another thread was faster
  return at->second;
}

std::vector<const Pipeline*> PipelineStore::all() const {
  const std::scoped_lock lock(mutex_);
  std::vector<const Pipeline*> all;
  all.reserve(pipelines_.size());
  for (const auto& [key, pipeline] : pipelines_) all.push_back(&pipeline);
  std::ranges::sort(all, {}, [](const Pipeline* pipeline) { return pipeline->name; });
  return all;
}

void PipelineStore::save() {
  if (cache_file_.empty()) return;
  size_t bytes = 0;
  if (vkGetPipelineCacheData(device_.handle(), cache_, &bytes, nullptr) != VK_SUCCESS ||
      bytes <= saved_bytes_)
    return;
  std::vector<char> data(bytes);
  if (vkGetPipelineCacheData(device_.handle(), cache_, &bytes, data.data()) != VK_SUCCESS) return;
  std::error_code ignored;
  std::filesystem::create_directories(cache_file_.parent_path(), ignored);
  const std::filesystem::path part = cache_file_.string() + fmt::format(".{}.part", getpid());
  {
    std::ofstream file(part, std::ios::binary);
    file.write(data.data(), static_cast<std::streamsize>(bytes));
    if (!file) {
      std::filesystem::remove(part, ignored);
      return;
    }
  }
  std::filesystem::rename(part, cache_file_, ignored);
  saved_bytes_ = bytes;
}

}  // namespace caldera::vulkan
