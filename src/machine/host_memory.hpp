// How much memory of the host there is to have. Cheap enough (tens of microseconds) to be asked before every
// large allocation.
#pragma once

#include <cstdint>
#include <filesystem>

namespace caldera::machine {

/// Bytes of RAM that can be taken without swapping: MemAvailable of /proc/meminfo, or less where a control
/// group of this process leaves less. UINT64_MAX where the system does not say. `root` is where the files are
/// looked for.
uint64_t available_ram(const std::filesystem::path& root = "/") noexcept;

/// Bytes of RAM that this process could have if it were alone: MemTotal of /proc/meminfo, or less where a
/// control group of it has a lower limit. UINT64_MAX where the system does not say.
uint64_t total_ram(const std::filesystem::path& root = "/") noexcept;

}  // namespace caldera::machine
