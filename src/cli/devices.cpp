// caldera devices
#include <algorithm>
#include <nlohmann/json.hpp>

#include "caldera/device.hpp"
#include "caldera/error.hpp"
#include "cli/command.hpp"
#include "cli/device_json.hpp"
#include "cli/output.hpp"

namespace caldera::cli {
namespace {

using Json = nlohmann::ordered_json;

std::string describe_heap(const HeapInfo& heap, size_t index) {
  std::string line = fmt::format("heap {}: {}{}", index, human_bytes(heap.bytes),
                                 heap.device_local ? ", device-local" : ", host");
  if (heap.budget) line += fmt::format(", budget {}", human_bytes(*heap.budget));
  if (heap.used) line += fmt::format(", used {}", human_bytes(*heap.used));
  return line;
}

std::string describe(const DeviceInfo& device) {
  const auto yes = [](bool value) { return value ? "yes" : "no"; };
  std::string out = fmt::format("{} {}: {}\n", device.chosen ? "*" : " ", device.index, escape(device.name));
  const auto line = [&](const char* name, const std::string& value) {
    out += fmt::format("      {:<13} {}\n", name, value);
  };
  line("type", device.type);
  line("driver", fmt::format("{}, Vulkan {}", escape(device.driver), device.api_version));
  line("status", fmt::format("{}{}{}",
                             device.chosen   ? "chosen"
                             : device.usable ? "usable"
                                             : "not usable",
                             device.reason.empty() ? "" : ": ", escape(device.reason)));
  for (size_t i = 0; i < device.heaps.size(); ++i)
    line(i == 0 ? "memory" : "", describe_heap(device.heaps[i], i));
  line("limits",
       fmt::format("allocation {}, buffer {}, storage range {}", human_bytes(device.max_allocation_bytes),
                   human_bytes(device.max_buffer_bytes), human_bytes(device.max_storage_range_bytes)));
  line("workgroups", fmt::format("{} invocations, {} shared, subgroups of {} ({} to {})",
                                 device.max_workgroup_invocations, human_bytes(device.max_shared_bytes),
                                 device.subgroup_size, device.min_subgroup_size, device.max_subgroup_size));
  line("arithmetic", fmt::format("float16 {}, int8 {}, integer dot product {}", yes(device.float16),
                                 yes(device.int8), yes(device.integer_dot_product)));
  line("matrices",
       device.cooperative_matrix.empty()
           ? "none"
           : escape(fmt::format("{}{}", fmt::join(device.cooperative_matrix, ", "),
                                device.cooperative_matrix2 ? " (and NV_cooperative_matrix2)" : "")));
  line("extras",
       fmt::format("memory budget {}, host import {}", yes(device.memory_budget), yes(device.host_import)));
  return out;
}

int devices(const std::string& choice, bool json) {
  const std::vector<DeviceInfo> found = list_devices(choice);
  if (found.empty()) {
    throw Error(
        ErrorKind::kDevice,
        "no Vulkan driver is installed: install the driver of the GPU's vendor, or Mesa's "
        "(mesa-vulkan-drivers on Debian, Ubuntu and Fedora; vulkan-radeon, vulkan-intel or vulkan-swrast "
        "on Arch), which also runs without a GPU");
  }
  const bool chosen = std::ranges::any_of(found, [](const DeviceInfo& device) { return device.chosen; });
  if (!choice.empty() && !chosen) {
    throw Error(
        ErrorKind::kDevice,
        fmt::format("no usable device is meant by '{}'; 'caldera devices' lists them", escape(choice)));
  }
  const std::vector<std::string> features = build_features();
  if (json) {
    Json list = Json::array();
    for (const DeviceInfo& device : found) list.push_back(to_json(device));
    write_json({{"devices", std::move(list)}, {"build", features}});
    return 0;
  }
  std::string out;
  for (const DeviceInfo& device : found) out += describe(device);
  for (size_t i = 0; i < features.size(); ++i)
    out += fmt::format("{:<19} {}\n", i == 0 ? "this build" : "", features[i]);
  write_out(out);
  return 0;
}

}  // namespace

void declare_devices(CLI::App& app, Action& action) {
  const auto choice = std::make_shared<std::string>();
  const auto json = std::make_shared<bool>(false);
  app.add_option("--device", *choice, "Mark the device that this choice means: an index or part of a name");
  app.add_flag("--json", *json, "Print JSON");
  app.callback([choice, json, &action] { action = [choice, json] { return devices(*choice, *json); }; });
}

}  // namespace caldera::cli
