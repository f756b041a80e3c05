// Asking one physical device for everything Caldera wants to know of it.
#pragma once

#include "plan/topology.hpp"
#include "vulkan/instance.hpp"

namespace caldera::vulkan {

/// Reads properties, features, heaps and limits. Never fails: a device that cannot be used says so in
/// `info.reason`.
PhysicalDevice describe(VkInstance instance, VkPhysicalDevice handle);

/// Fresh budgets of the heaps; unchanged where VK_EXT_memory_budget is missing.
void update_budgets(PhysicalDevice& device);

/// The device's memory in the planner's terms, with the budgets of when it was described.
plan::Topology topology_of(const PhysicalDevice& device);

}  // namespace caldera::vulkan
