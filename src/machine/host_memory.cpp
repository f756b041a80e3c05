#include "machine/host_memory.hpp"

#include <algorithm>
#include <exception>

#include "machine/cgroup.hpp"
#include "machine/meminfo.hpp"

namespace caldera::machine {

uint64_t available_ram(const std::filesystem::path& root) noexcept {
  try {
    return std::min(read_meminfo(root).available, cgroup_memory(root).left);
  } catch (const std::exception&) {  // no memory for a path: nothing is known
    return UINT64_MAX;
  }
}

uint64_t total_ram(const std::filesystem::path& root) noexcept {
  try {
    return std::min(read_meminfo(root).total, cgroup_memory(root).limit);
  } catch (const std::exception&) {
    return UINT64_MAX;
  }
}

}  // namespace caldera::machine
