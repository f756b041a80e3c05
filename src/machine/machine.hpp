// Everything about this machine that decides how large a model can be, read from procfs, sysfs and settings.
// Reading changes nothing. What it means is for others to say: this room knows neither Vulkan nor models.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "machine/cgroup.hpp"
#include "machine/device_nodes.hpp"
#include "machine/gpu.hpp"
#include "machine/kernel_options.hpp"
#include "machine/meminfo.hpp"
#include "machine/operating_system.hpp"

namespace caldera::machine {

struct Machine {
  std::string cpu;  ///< "AMD RYZEN AI MAX+ 395 w/ Radeon 8060S"
  Meminfo memory;
  CgroupMemory cgroup;
  OperatingSystem system;
  KernelOptions kernel;
  std::vector<Gpu> gpus;
  User user;
  std::vector<DeviceNode> nodes;
  std::optional<uint64_t> memory_lock_limit;  ///< bytes; nothing where there is no limit
  std::vector<std::string> vulkan_drivers;    ///< manifests of installed ones: "radeon_icd.x86_64.json"
};

/// What is not there, or cannot be read or understood, is left as it is by default. `root` is "/", or a
/// folder with copies of another machine's files.
Machine read_machine(const std::filesystem::path& root = "/");

}  // namespace caldera::machine
