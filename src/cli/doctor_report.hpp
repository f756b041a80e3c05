// A diagnosis as people and as programs read it.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "cli/diagnosis.hpp"

namespace caldera::cli {

/// What is there, how much a model can use, and numbered steps, in lines of about 100 columns. `bold`: the
/// figures that matter in bold, for a terminal.
std::string report_text(const machine::Machine& machine, const std::vector<DeviceInfo>& devices,
                        const Diagnosis& diagnosis, bool bold);

nlohmann::ordered_json report_json(const machine::Machine& machine, const std::vector<DeviceInfo>& devices,
                                   const Diagnosis& diagnosis);

}  // namespace caldera::cli
