// Which device the simulation shows: a row of the table of topologies, scaled to what a test can fill, and
// the settings of its refusals. All of it comes from the environment, so that child processes see the same.
//
//   CALDERA_SIMULATE              a row's name, or a file that plan::find_topology reads
//   CALDERA_SIMULATE_SCALE        a divisor of all sizes, or "total:256MiB": of the heaps' sum; unset: 1
//   CALDERA_SIMULATE_TYPE         "cpu": call the device a CPU, whatever the row says
//   CALDERA_SIMULATE_BUDGET       "enforced": refuse what exceeds a budget; real drivers only report it
//   CALDERA_SIMULATE_IMPORT       "refused": refuse to import host memory
//   CALDERA_SIMULATE_ALLOCATIONS  most live allocations, 4096 if unset
//   CALDERA_SIMULATE_LOSS         "submission:40" or "wait:3:2": see Loss
#pragma once

#include <cstdint>
#include <string_view>

#include "plan/topology.hpp"
#include "simulated/loss.hpp"

namespace caldera::simulated {

struct ShownDevice {
  plan::Topology topology;  ///< scaled; its caps on allocations, buffers and bindings are known
  bool reports_budget = true;
  bool enforce_budget = false;
  bool refuse_imports = false;
  uint32_t max_allocations = 4096;  ///< the least that Vulkan allows a driver to grant
  Loss loss;
};

/// Reads the environment. Errors: kUsage, and those of plan::find_topology.
ShownDevice shown_device();

/// The number that sizes are divided by; `total` is the sum of the heaps. Errors: kUsage.
double parse_scale(std::string_view text, uint64_t total);

/// "POINT:FIRST" or "POINT:FIRST:COUNT". Errors: kUsage.
Loss parse_loss(std::string_view text);

/// All sizes divided. A cap that the row does not know becomes 2 GiB first, the least that any row reports;
/// none becomes less than 32 MiB, because what the engine needs in one piece does not shrink with the row.
plan::Topology scale_topology(plan::Topology topology, double divisor);

}  // namespace caldera::simulated
