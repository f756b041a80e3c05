#include "compiled_pipeline.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>

#include "caldera/error.hpp"
#include "vulkan/result.hpp"

namespace caldera::isa {
namespace {

template <class Function>
Function function_of(VkDevice device, const char* name) {
  const auto function = reinterpret_cast<Function>(vkGetDeviceProcAddr(device, name));
  if (function == nullptr) throw Error(ErrorKind::kDevice, fmt::format("the driver lacks {}", name));
  return function;
}

double number(const VkPipelineExecutableStatisticKHR& statistic) {
  switch (statistic.format) {
    case VK_PIPELINE_EXECUTABLE_STATISTIC_FORMAT_BOOL32_KHR:
      return statistic.value.b32 == VK_TRUE ? 1 : 0;
    case VK_PIPELINE_EXECUTABLE_STATISTIC_FORMAT_INT64_KHR:
      return static_cast<double>(statistic.value.i64);
    case VK_PIPELINE_EXECUTABLE_STATISTIC_FORMAT_UINT64_KHR:
      return static_cast<double>(statistic.value.u64);
    default:
      return statistic.value.f64;
  }
}

/// The executable's code as text: of the representations that are text, the one called the assembly.
std::string assembly_of(VkDevice device, const VkPipelineExecutableInfoKHR& executable) {
  const auto get = function_of<PFN_vkGetPipelineExecutableInternalRepresentationsKHR>(
      device, "vkGetPipelineExecutableInternalRepresentationsKHR");
  uint32_t count = 0;
  vulkan::check(get(device, &executable, &count, nullptr), "asking for compiled code");
  std::vector<VkPipelineExecutableInternalRepresentationKHR> all(
      count, {VK_STRUCTURE_TYPE_PIPELINE_EXECUTABLE_INTERNAL_REPRESENTATION_KHR});
  vulkan::check(get(device, &executable, &count, all.data()), "asking for compiled code");
  // The first call gave sizes, the second fills memory of that size.
  std::vector<std::string> texts(count);
  for (uint32_t i = 0; i < count; ++i) {
    texts[i].resize(all[i].dataSize);
    all[i].pData = texts[i].data();
  }
  vulkan::check(get(device, &executable, &count, all.data()), "reading compiled code");
  for (uint32_t i = 0; i < count; ++i) {
    if (all[i].isText == VK_FALSE || std::string_view(all[i].name) != "Assembly") continue;
    texts[i].resize(texts[i].find_last_not_of('\0') + 1);
    return texts[i];
  }
  return {};
}

}  // namespace

double CompiledPipeline::statistic(const std::string& called) const {
  const auto found = statistics.find(called);
  return found == statistics.end() ? 0 : found->second;
}

double CompiledPipeline::subgroups_a_simd() const {
  return std::min(16.0, statistic("Subgroups per SIMD"));
}

CompiledPipeline inspect(const vulkan::Device& device, const vulkan::Pipeline& pipeline) {
  const VkDevice handle = device.handle();
  VkPipelineInfoKHR info{VK_STRUCTURE_TYPE_PIPELINE_INFO_KHR};
  info.pipeline = pipeline.handle;
  const auto get_properties =
      function_of<PFN_vkGetPipelineExecutablePropertiesKHR>(handle, "vkGetPipelineExecutablePropertiesKHR");
  const auto get_statistics =
      function_of<PFN_vkGetPipelineExecutableStatisticsKHR>(handle, "vkGetPipelineExecutableStatisticsKHR");
  uint32_t executables = 1;  // a compute pipeline is one
  VkPipelineExecutablePropertiesKHR properties{VK_STRUCTURE_TYPE_PIPELINE_EXECUTABLE_PROPERTIES_KHR};
  const VkResult listed = get_properties(handle, &info, &executables, &properties);
  if (listed != VK_INCOMPLETE) vulkan::check(listed, "asking for compiled code");
  if (executables == 0)
    throw Error(ErrorKind::kDevice, fmt::format("the driver says nothing of the kernel {}", pipeline.name));

  VkPipelineExecutableInfoKHR executable{VK_STRUCTURE_TYPE_PIPELINE_EXECUTABLE_INFO_KHR};
  executable.pipeline = pipeline.handle;
  uint32_t count = 0;
  vulkan::check(get_statistics(handle, &executable, &count, nullptr), "asking for a kernel's statistics");
  std::vector<VkPipelineExecutableStatisticKHR> statistics(
      count, {VK_STRUCTURE_TYPE_PIPELINE_EXECUTABLE_STATISTIC_KHR});
  vulkan::check(get_statistics(handle, &executable, &count, statistics.data()),
                "asking for a kernel's statistics");
  CompiledPipeline compiled;
  compiled.name = pipeline.name;
  compiled.constants = pipeline.constants;
  compiled.subgroup = properties.subgroupSize;
  for (const auto& statistic : statistics) compiled.statistics[statistic.name] = number(statistic);
  compiled.assembly = assembly_of(handle, executable);
  return compiled;
}

}  // namespace caldera::isa
