// The files under /dev/dri through which programs reach a GPU, and whether this process may use them.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace caldera::machine {

/// Who this process is.
struct User {
  uint32_t id = 0;               ///< effective
  std::vector<uint32_t> groups;  ///< the effective one and all others
};

struct DeviceNode {
  std::string name;  ///< "renderD128"
  uint32_t mode = 0;
  uint32_t owner = 0;
  uint32_t group = 0;
  std::string group_name;   ///< "render"; the number where the group has no name here
  bool accessible = false;  ///< this process may read and write it
};

/// From /proc/self/status.
User read_user(const std::filesystem::path& root = "/");

/// The render nodes in /dev/dri. A recorded tree cannot hold device nodes: there, /dev/dri.list has a line
/// for each, "renderD128 660 0 992" (name, mode in octal, owner, group), and `user` decides.
std::vector<DeviceNode> read_device_nodes(const std::filesystem::path& root, const User& user);

/// What /dev/dri.list says of these nodes.
std::string describe_device_nodes(const std::vector<DeviceNode>& nodes);

}  // namespace caldera::machine
