// A device's memory in the planner's terms.
#pragma once

#include <string>

#include "plan/topology.hpp"

namespace caldera::engine {

/// Of the device that `choice` means (see list_devices()), with its budgets of now. Errors: kDevice.
plan::Topology device_topology(const std::string& choice);

}  // namespace caldera::engine
