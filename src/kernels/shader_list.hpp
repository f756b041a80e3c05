// The table that the build generates from the compiled shaders.
#pragma once

#include <span>

#include "vulkan/pipeline_store.hpp"

namespace caldera::kernels {

std::span<const vulkan::Shader> shader_list();

}  // namespace caldera::kernels
