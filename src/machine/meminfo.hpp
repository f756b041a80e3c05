// /proc/meminfo: the memory of the whole machine.
#pragma once

#include <cstdint>
#include <filesystem>

namespace caldera::machine {

/// In bytes; UINT64_MAX where the file does not say.
struct Meminfo {
  uint64_t total = UINT64_MAX;      ///< without what firmware keeps for itself and for graphics
  uint64_t available = UINT64_MAX;  ///< to be had without swapping
};

Meminfo read_meminfo(const std::filesystem::path& root = "/");

}  // namespace caldera::machine
