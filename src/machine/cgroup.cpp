#include "machine/cgroup.hpp"

#include <algorithm>

#include "machine/small_file.hpp"

namespace caldera::machine {
namespace {

namespace fs = std::filesystem;

/// Version 1 says "no limit" by the largest multiple of a page; no machine has half of that.
constexpr uint64_t kNoLimit = uint64_t{1} << 62;
/// Groups above a process that are looked at: deeper trees are not made by anything known, and each costs
/// time.
constexpr int kMaxDepth = 32;

/// What the files of a version are called.
struct Version {
  const char* limits[2];
  const char* used;
  const char* reclaimable;  ///< in memory.stat: page cache that has not been used lately
};
constexpr Version kVersion1 = {
    {"memory.limit_in_bytes", nullptr}, "memory.usage_in_bytes", "total_inactive_file"};
constexpr Version kVersion2 = {{"memory.max", "memory.high"}, "memory.current", "inactive_file"};

uint64_t read_limit(const fs::path& folder, const Version& version) {
  uint64_t limit = UINT64_MAX;
  for (const char* name : version.limits) {
    if (name == nullptr) continue;
    // "max" is not a number, and no limit.
    const uint64_t value = read_number(folder / name).value_or(UINT64_MAX);
    if (value < kNoLimit) limit = std::min(limit, value);
  }
  return limit;
}

uint64_t read_statistic(const fs::path& folder, std::string_view key) {
  const std::optional<std::string> text = read_small_file(folder / "memory.stat");
  std::string_view rest = text ? std::string_view(*text) : std::string_view();
  while (!rest.empty()) {
    const std::string_view line = take_line(rest);
    if (line.starts_with(key) && line.substr(key.size()).starts_with(' '))
      return parse_number(line.substr(key.size())).value_or(0);
  }
  return 0;
}

void look_at(const fs::path& folder, const std::string& group, const Version& version, CgroupMemory& memory) {
  const uint64_t limit = read_limit(folder, version);
  if (limit == UINT64_MAX) return;
  if (limit < memory.limit) {
    memory.limit = limit;
    memory.group = group;
  }
  const uint64_t used = read_number(folder / version.used).value_or(0);
  const uint64_t reclaimable = std::min(used, read_statistic(folder, version.reclaimable));
  const uint64_t held = used - reclaimable;
  memory.left = std::min(memory.left, limit > held ? limit - held : 0);
}

/// `group` and all above it. In a container, groups above its own are not there to be read.
void walk_up(const fs::path& mount, std::string group, const Version& version, CgroupMemory& memory) {
  // A process outside of its own cgroup namespace is shown as "/../x": what lies there cannot be seen.
  if (!group.starts_with('/') || group.find("/..") != std::string::npos) group = "/";
  for (int depth = 0; depth < kMaxDepth; ++depth) {
    while (group.size() > 1 && group.back() == '/') group.pop_back();
    look_at(mount / group.substr(1), group, version, memory);
    if (group.size() <= 1) return;
    group.resize(group.find_last_of('/') + 1);
  }
}

}  // namespace

CgroupMemory cgroup_memory(const fs::path& root) {
  CgroupMemory memory;
  const std::optional<std::string> text = read_small_file(root / "proc/self/cgroup");
  std::string_view rest = text ? std::string_view(*text) : std::string_view();
  const fs::path mounts = root / "sys/fs/cgroup";
  while (!rest.empty()) {
    // "hierarchy:controllers:group": version 2 has hierarchy 0 and names no controllers.
    const std::string_view line = take_line(rest);
    const size_t first = line.find(':');
    const size_t second = line.find(':', first + 1);
    if (first == std::string_view::npos || second == std::string_view::npos) continue;
    const std::string controllers = "," + std::string(line.substr(first + 1, second - first - 1)) + ",";
    const std::string group(line.substr(second + 1));
    if (line.substr(0, first) == "0" && controllers == ",,") {
      walk_up(mounts, group, kVersion2, memory);
    } else if (controllers.find(",memory,") != std::string::npos) {
      walk_up(mounts / "memory", group, kVersion1, memory);
    }
  }
  return memory;
}

}  // namespace caldera::machine
