#include "cli/device_json.hpp"

#include <fmt/format.h>

#include "caldera/error.hpp"

namespace caldera::cli {

using Json = nlohmann::ordered_json;

Json to_json(const DeviceInfo& device) {
  Json heaps = Json::array();
  for (const HeapInfo& heap : device.heaps) {
    heaps.push_back({{"bytes", heap.bytes},
                     {"device_local", heap.device_local},
                     {"budget", heap.budget ? Json(*heap.budget) : Json()},
                     {"used", heap.used ? Json(*heap.used) : Json()}});
  }
  return {{"index", device.index},
          {"name", device.name},
          {"type", device.type},
          {"driver", device.driver},
          {"api_version", device.api_version},
          {"usable", device.usable},
          {"chosen", device.chosen},
          {"reason", device.reason},
          {"heaps", std::move(heaps)},
          {"max_allocation_bytes", device.max_allocation_bytes},
          {"max_buffer_bytes", device.max_buffer_bytes},
          {"max_storage_range_bytes", device.max_storage_range_bytes},
          {"max_shared_bytes", device.max_shared_bytes},
          {"max_workgroup_invocations", device.max_workgroup_invocations},
          {"subgroup_size", device.subgroup_size},
          {"min_subgroup_size", device.min_subgroup_size},
          {"max_subgroup_size", device.max_subgroup_size},
          {"float16", device.float16},
          {"int8", device.int8},
          {"integer_dot_product", device.integer_dot_product},
          {"memory_budget", device.memory_budget},
          {"host_import", device.host_import},
          {"cooperative_matrix", device.cooperative_matrix},
          {"cooperative_matrix2", device.cooperative_matrix2}};
}

namespace {

HeapInfo parse_heap(const Json& json) {
  const auto number = [&](const char* key) -> std::optional<uint64_t> {
    const auto found = json.find(key);
    if (found == json.end() || found->is_null()) return std::nullopt;
    return found->get<uint64_t>();
  };
  return {json.at("bytes").get<uint64_t>(), json.at("device_local").get<bool>(), number("budget"),
          number("used")};
}

}  // namespace

std::vector<DeviceInfo> parse_devices(const std::string& text, const std::string& where) {
  constexpr size_t kMostDevices = 64;
  constexpr size_t kMostHeaps = 16;  // VK_MAX_MEMORY_HEAPS
  std::vector<DeviceInfo> devices;
  try {
    const Json listing = Json::parse(text);
    for (const Json& json : listing.at("devices")) {
      if (devices.size() == kMostDevices) break;
      DeviceInfo device;
      device.index = static_cast<uint32_t>(devices.size());
      device.name = json.at("name").get<std::string>();
      device.type = json.at("type").get<std::string>();
      device.driver = json.at("driver").get<std::string>();
      device.api_version = json.value("api_version", "");
      device.usable = json.value("usable", true);
      device.chosen = json.value("chosen", false);
      device.reason = json.value("reason", "");
      device.memory_budget = json.value("memory_budget", false);
      device.max_allocation_bytes = json.value("max_allocation_bytes", uint64_t{0});
      for (const Json& heap : json.at("heaps")) {
        if (device.heaps.size() < kMostHeaps) device.heaps.push_back(parse_heap(heap));
      }
      devices.push_back(std::move(device));
    }
  } catch (const nlohmann::json::exception& error) {
    throw Error(ErrorKind::kInput,
                fmt::format("{}: not what 'caldera devices --json' prints: {}", where, error.what()));
  }
  return devices;
}

}  // namespace caldera::cli
