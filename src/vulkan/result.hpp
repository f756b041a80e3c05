// VkResult to Error.
#pragma once

#include <vulkan/vulkan.h>

#include <string_view>

#include "caldera/error.hpp"

namespace caldera::vulkan {

/// The name of a result as the specification spells it.
std::string_view result_name(VkResult result);

/// Throws the Error that belongs to `result` (kMemory, kDevice, DeviceLost) unless it is a success; `what`
/// says what was tried.
void check(VkResult result, std::string_view what);

}  // namespace caldera::vulkan
