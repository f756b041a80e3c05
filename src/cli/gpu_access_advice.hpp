// The steps that let programs reach a GPU at all: kernel driver, device files, permissions, Vulkan driver.
#pragma once

#include "cli/diagnosis.hpp"

namespace caldera::cli {

/// Adds to `diagnosis.steps` and `.notes`.
void advise_on_gpu_access(const machine::Machine& machine, const std::vector<DeviceInfo>& devices,
                          const std::string& vulkan_error, Diagnosis& diagnosis);

}  // namespace caldera::cli
