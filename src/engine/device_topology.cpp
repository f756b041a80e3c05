#include "engine/device_topology.hpp"

#include "vulkan/instance.hpp"
#include "vulkan/memory_budget.hpp"

namespace caldera::engine {

plan::Topology device_topology(const std::string& choice) {
  const vulkan::Instance instance;
  return vulkan::MemoryBudget(instance.choose(choice)).topology_now();
}

}  // namespace caldera::engine
