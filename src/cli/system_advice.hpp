// How things are done on each Linux: kernel parameters, drivers, the files that are read when it starts.
#pragma once

#include <string>
#include <vector>

#include "machine/operating_system.hpp"

namespace caldera::cli {

/// Something to do, word for word.
struct Instruction {
  std::string where;  ///< "run", "in /etc/default/grub, add to GRUB_CMDLINE_LINUX_DEFAULT"
  std::string text;   ///< "sudo update-grub"
};

/// How to add words to the kernel's command line and take others off it.
std::vector<Instruction> change_kernel_parameters(const machine::OperatingSystem& system,
                                                  const std::vector<std::string>& add,
                                                  const std::vector<std::string>& remove);

/// How to have files in /etc/modprobe.d read by the modules that are loaded first.
Instruction rebuild_initramfs(machine::Distribution distribution);

/// How to install the Vulkan driver for GPUs of a PCI vendor.
Instruction install_vulkan_driver(machine::Distribution distribution, uint16_t vendor);

}  // namespace caldera::cli
