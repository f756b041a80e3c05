// Which Linux this is, and how its kernel gets its command line.
#pragma once

#include <array>
#include <filesystem>
#include <string>

namespace caldera::machine {

enum class Distribution { kDebian, kFedora, kArch, kSuse, kNixos, kOther };

/// Who hands the kernel its command line.
enum class Boot {
  kNixos,        ///< the system's configuration
  kOstree,       ///< rpm-ostree (Silverblue, Bazzite)
  kGrubby,       ///< grubby edits every entry (Fedora, RHEL)
  kGrub,         ///< /etc/default/grub
  kKernelstub,   ///< Pop!_OS
  kKernelFile,   ///< /etc/kernel/cmdline
  kSystemdBoot,  ///< the options line of each entry
  kUnknown,
};

struct OperatingSystem {
  std::string name;                 ///< "Fedora Linux 42 (Workstation Edition)"
  std::string kernel;               ///< "6.16.9-200.fc42.x86_64"
  std::array<int, 3> version = {};  ///< {6, 16, 9}; zeros where it cannot be told
  Distribution distribution = Distribution::kOther;
  Boot boot = Boot::kUnknown;
  std::string container;  ///< "docker", "podman", "container"; empty outside of one
};

OperatingSystem read_operating_system(const std::filesystem::path& root = "/");

}  // namespace caldera::machine
