#include "engine/device_topology.hpp"

#include "vulkan/instance.hpp"
#include "vulkan/physical_device.hpp"

namespace caldera::engine {

plan::Topology device_topology(const std::string& choice) {
  const vulkan::Instance instance;
  return vulkan::topology_of(instance.choose(choice));
}

}  // namespace caldera::engine
