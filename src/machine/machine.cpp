#include "machine/machine.hpp"

#include <sstream>

#include "machine/small_file.hpp"

namespace caldera::machine {
namespace {

namespace fs = std::filesystem;

std::string read_cpu(const fs::path& root) {
  const std::optional<std::string> text = read_small_file(root / "proc/cpuinfo");
  std::string_view rest = text ? std::string_view(*text) : std::string_view();
  while (!rest.empty()) {
    const std::string_view line = take_line(rest);
    const size_t colon = line.find(':');
    if (line.starts_with("model name") && colon != std::string_view::npos)
      return std::string(trim(line.substr(colon + 1)));
  }
  return {};
}

/// "Max locked memory         8388608              8388608              bytes"
std::optional<uint64_t> read_memory_lock_limit(const fs::path& root) {
  constexpr std::string_view kKey = "Max locked memory";
  const std::optional<std::string> text = read_small_file(root / "proc/self/limits");
  std::string_view rest = text ? std::string_view(*text) : std::string_view();
  while (!rest.empty()) {
    const std::string_view line = take_line(rest);
    if (!line.starts_with(kKey)) continue;
    std::istringstream words{std::string(line.substr(kKey.size()))};
    std::string soft;
    words >> soft;
    return parse_number(soft);
  }
  return std::nullopt;
}

/// Where the Vulkan loader looks. Source: its docs/LoaderDriverInterface.md.
std::vector<std::string> read_vulkan_drivers(const fs::path& root) {
  std::vector<std::string> drivers;
  for (const char* folder : {"etc/vulkan/icd.d", "usr/local/share/vulkan/icd.d", "usr/share/vulkan/icd.d",
                             "run/opengl-driver/share/vulkan/icd.d"}) {
    for (std::string& name : list_names(root / folder)) {
      if (name.ends_with(".json")) drivers.push_back(std::move(name));
    }
  }
  return drivers;
}

}  // namespace

Machine read_machine(const fs::path& root) {
  Machine machine;
  machine.cpu = read_cpu(root);
  machine.memory = read_meminfo(root);
  machine.cgroup = cgroup_memory(root);
  machine.system = read_operating_system(root);
  machine.kernel = read_kernel_options(root);
  machine.gpus = read_gpus(root);
  machine.user = read_user(root);
  machine.nodes = read_device_nodes(root, machine.user);
  machine.memory_lock_limit = read_memory_lock_limit(root);
  machine.vulkan_drivers = read_vulkan_drivers(root);
  return machine;
}

}  // namespace caldera::machine
