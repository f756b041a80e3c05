// How the kernel was told to treat graphics memory: its command line, files for its modules, and what is in
// force.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace caldera::machine {

/// One "module.name=value" that somebody asked for.
struct ModuleOption {
  std::string module;  ///< "ttm", "amdttm", "amdgpu"
  std::string name;    ///< "pages_limit"
  std::string value;
  std::string where;  ///< "/proc/cmdline", "/etc/modprobe.d/ttm.conf"
};

struct KernelOptions {
  std::vector<std::string> command_line;  ///< word by word
  std::vector<ModuleOption> modules;      ///< of the modules that matter here, the command line's first
  // In force now, from /sys/module:
  std::string ttm_module = "ttm";          ///< "amdttm" where AMD's own package has replaced the kernel's
  std::optional<uint64_t> pages_limit;     ///< of 4 KiB that graphics drivers may have at once
  std::optional<uint64_t> page_pool_size;  ///< of 4 KiB that are kept for reuse
  std::optional<uint64_t> gtt_mib;  ///< amdgpu.gttsize where it is set: overrides pages_limit for the GTT

  bool has_word(std::string_view word) const;  ///< on the command line
  /// What was asked for, the command line first; nothing where nobody did.
  const ModuleOption* find(std::string_view module, std::string_view name) const;
};

KernelOptions read_kernel_options(const std::filesystem::path& root = "/");

}  // namespace caldera::machine
