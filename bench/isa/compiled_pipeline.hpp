// What the driver's compiler made of a pipeline, through VK_KHR_pipeline_executable_properties.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "vulkan/device.hpp"
#include "vulkan/pipeline_store.hpp"

namespace caldera::isa {

/// One compiled pipeline. The names of statistics are the driver's.
struct CompiledPipeline {
  std::string name;                 ///< the kernel's: "matvec_Q4_K"
  std::vector<uint32_t> constants;  ///< what it is specialised for
  uint32_t subgroup = 0;            ///< lanes
  std::map<std::string, double> statistics;
  std::string assembly;  ///< text, one instruction a line; empty where the driver has none

  /// A statistic, 0 where the driver does not give it.
  double statistic(const std::string& called) const;
  /// Subgroups that a SIMD can hold at once: at most 16 on RDNA 3 and 4, which older drivers forget.
  double subgroups_a_simd() const;
};

/// Asks the driver. `device` must be one that only compiles. Errors: kDevice.
CompiledPipeline inspect(const vulkan::Device& device, const vulkan::Pipeline& pipeline);

}  // namespace caldera::isa
