#include "machine/device_nodes.hpp"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <optional>
#include <sstream>

#include "machine/small_file.hpp"

namespace caldera::machine {
namespace {

namespace fs = std::filesystem;

constexpr const char* kListing = "dev/dri.list";
constexpr size_t kMostNodes = 64;

/// The name of a group in /etc/group: "render:x:992:ann,bob".
std::string group_name(const fs::path& root, uint32_t group) {
  const std::optional<std::string> text = read_small_file(root / "etc/group", 1 << 20);
  std::string_view rest = text ? std::string_view(*text) : std::string_view();
  while (!rest.empty()) {
    const std::string_view line = take_line(rest);
    const size_t first = line.find(':');
    const size_t second = line.find(':', first + 1);
    const size_t third = line.find(':', second + 1);
    if (first == std::string_view::npos || second == std::string_view::npos ||
        third == std::string_view::npos)
      continue;
    if (parse_number(line.substr(second + 1, third - second - 1)) == group)
      return std::string(line.substr(0, first));
  }
  return std::to_string(group);
}

/// Whether the bits of `mode` let `user` read and write.
bool may_use(const DeviceNode& node, const User& user) {
  if (user.id == 0) return true;
  const bool member = std::ranges::find(user.groups, node.group) != user.groups.end();
  const uint32_t shift = node.owner == user.id ? 6 : member ? 3 : 0;
  return (node.mode >> shift & 06) == 06;
}

std::vector<DeviceNode> recorded_nodes(const std::string& listing, const User& user) {
  std::vector<DeviceNode> nodes;
  std::istringstream lines(listing);
  for (std::string line; std::getline(lines, line) && nodes.size() < kMostNodes;) {
    std::istringstream words(line);
    DeviceNode node;
    if (words >> node.name >> std::oct >> node.mode >> std::dec >> node.owner >> node.group) {
      node.accessible = may_use(node, user);
      nodes.push_back(std::move(node));
    }
  }
  return nodes;
}

}  // namespace

User read_user(const fs::path& root) {
  User user;
  std::istringstream lines(read_small_file(root / "proc/self/status").value_or(""));
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    std::string key;
    uint32_t real = 0;
    uint32_t effective = 0;
    words >> key;
    if (key == "Uid:" && words >> real >> effective) user.id = effective;
    if (key == "Gid:" && words >> real >> effective) user.groups.push_back(effective);
    if (key == "Groups:") {
      for (uint32_t group = 0; words >> group;) user.groups.push_back(group);
    }
  }
  return user;
}

std::vector<DeviceNode> read_device_nodes(const fs::path& root, const User& user) {
  std::vector<DeviceNode> nodes;
  if (const std::optional<std::string> listing = read_small_file(root / kListing)) {
    nodes = recorded_nodes(*listing, user);
  } else {
    const fs::path folder = root / "dev/dri";
    for (const std::string& name : list_names(folder)) {
      const fs::path path = folder / name;
      struct stat status {};
      if (!name.starts_with("renderD") || stat(path.c_str(), &status) != 0) continue;
      // Asked of the system itself: a login manager may have given access by a list that the mode does not
      // show.
      const bool accessible = access(path.c_str(), R_OK | W_OK) == 0;
      nodes.push_back({name, status.st_mode & 07777, status.st_uid, status.st_gid, "", accessible});
    }
  }
  for (DeviceNode& node : nodes) node.group_name = group_name(root, node.group);
  return nodes;
}

std::string describe_device_nodes(const std::vector<DeviceNode>& nodes) {
  std::string out;
  for (const DeviceNode& node : nodes)
    out += fmt::format("{} {:o} {} {}\n", node.name, node.mode, node.owner, node.group);
  return out;
}

}  // namespace caldera::machine
