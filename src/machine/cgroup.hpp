// What the control groups of this process let it have of the machine's memory.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

namespace caldera::machine {

/// In bytes; UINT64_MAX where no group sets a limit.
struct CgroupMemory {
  uint64_t limit = UINT64_MAX;  ///< the lowest limit of the process's group and those above it
  uint64_t left =
      UINT64_MAX;     ///< the least that any of them leaves, counting files that need not stay in memory
  std::string group;  ///< the one that sets `limit`: "/user.slice/user-1000.slice"
};

/// Reads /proc/self/cgroup and the groups it names under /sys/fs/cgroup, below `root`, up to their root:
/// version 2 (the lesser of memory.max and memory.high) and version 1 (memory.limit_in_bytes). Source: the
/// kernel's Documentation/admin-guide/cgroup-v2.rst and cgroup-v1/memory.rst.
CgroupMemory cgroup_memory(const std::filesystem::path& root = "/");

}  // namespace caldera::machine
