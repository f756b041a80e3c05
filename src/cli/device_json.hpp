// Vulkan devices as JSON: what `caldera devices --json` prints and recorded machines hold.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "caldera/device.hpp"

namespace caldera::cli {

nlohmann::ordered_json to_json(const DeviceInfo& device);

/// The devices in what `caldera devices --json` printed: their names, drivers and heaps, whether they were
/// usable and which was chosen. `where` names the text in errors. Errors: kInput.
std::vector<DeviceInfo> parse_devices(const std::string& json, const std::string& where);

}  // namespace caldera::cli
