// What a device multiplies in one matrix instruction (VK_KHR_cooperative_matrix).
#pragma once

#include <cstdint>

#include "vulkan/matrix_extensions.hpp"

namespace caldera::vulkan {

/// result (m, n) = a (m, k) times b (k, n) plus c (m, n), by one subgroup.
struct MatrixShape {
  uint32_t m = 0;
  uint32_t n = 0;
  uint32_t k = 0;
  VkComponentTypeKHR a = VK_COMPONENT_TYPE_MAX_ENUM_KHR;
  VkComponentTypeKHR b = VK_COMPONENT_TYPE_MAX_ENUM_KHR;
  VkComponentTypeKHR c = VK_COMPONENT_TYPE_MAX_ENUM_KHR;
  VkComponentTypeKHR result = VK_COMPONENT_TYPE_MAX_ENUM_KHR;
  bool saturating = false;  ///< integer sums stop at their type's ends
};

}  // namespace caldera::vulkan
