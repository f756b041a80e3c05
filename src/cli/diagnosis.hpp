// What keeps models on a machine smaller than they could be, and what would change it. Nothing here touches
// the machine: facts in, advice out.
#pragma once

#include <string>
#include <vector>

#include "cli/capacity.hpp"
#include "cli/system_advice.hpp"

namespace caldera::cli {

/// What must start anew before a step shows.
enum class Restart { kNothing, kLogin, kMachine };

struct Step {
  std::string id;      ///< for programs: "ttm-pages-limit"
  std::string title;   ///< what to do, in the imperative
  std::string reason;  ///< why, in whole sentences
  std::vector<Instruction> instructions;
  Restart restart = Restart::kNothing;
};

struct Diagnosis {
  const DeviceInfo* device =
      nullptr;  ///< the one that a model would be loaded to; of the list that was given
  Capacity capacity;
  std::vector<Step> steps;         ///< in the order of doing them
  std::vector<std::string> notes;  ///< what is good to know, in whole sentences
};

/// `vulkan_error`: why the devices could not be listed, or empty.
Diagnosis diagnose(const machine::Machine& machine, const std::vector<DeviceInfo>& devices,
                   const std::string& vulkan_error = {});

}  // namespace caldera::cli
