#include "machine/operating_system.hpp"

#include <algorithm>
#include <cstdio>
#include <map>
#include <sstream>

#include "machine/small_file.hpp"

namespace caldera::machine {
namespace {

namespace fs = std::filesystem;

bool is_there(const fs::path& path) {
  std::error_code error;
  return fs::exists(path, error);
}

/// The assignments of os-release(5), without quotes.
std::map<std::string, std::string> read_os_release(const fs::path& root) {
  std::optional<std::string> text = read_small_file(root / "etc/os-release");
  if (!text) text = read_small_file(root / "usr/lib/os-release");
  std::map<std::string, std::string> values;
  std::istringstream lines(text.value_or(""));
  for (std::string line; std::getline(lines, line);) {
    const size_t equals = line.find('=');
    if (equals == std::string::npos) continue;
    std::string value(trim(std::string_view(line).substr(equals + 1)));
    std::erase_if(value, [](char c) { return c == '"' || c == '\''; });
    values[line.substr(0, equals)] = value;
  }
  return values;
}

Distribution distribution_of(const std::string& id, const std::string& like) {
  std::istringstream words(id + " " + like);
  for (std::string word; words >> word;) {
    if (word == "debian" || word == "ubuntu") return Distribution::kDebian;
    if (word == "fedora" || word == "rhel" || word == "centos") return Distribution::kFedora;
    if (word == "arch") return Distribution::kArch;
    if (word == "suse" || word == "opensuse") return Distribution::kSuse;
    if (word == "nixos") return Distribution::kNixos;
  }
  return Distribution::kOther;
}

Boot boot_of(const fs::path& root, const std::string& id) {
  if (id == "nixos") return Boot::kNixos;
  if (is_there(root / "run/ostree-booted")) return Boot::kOstree;
  if (is_there(root / "usr/sbin/grubby") || is_there(root / "usr/bin/grubby")) return Boot::kGrubby;
  if (id == "pop" && is_there(root / "usr/bin/kernelstub")) return Boot::kKernelstub;
  if (is_there(root / "etc/default/grub")) return Boot::kGrub;
  if (is_there(root / "etc/kernel/cmdline")) return Boot::kKernelFile;
  if (is_there(root / "boot/loader/entries") || is_there(root / "efi/loader/entries") ||
      is_there(root / "boot/efi/loader/entries"))
    return Boot::kSystemdBoot;
  return Boot::kUnknown;
}

std::string container_of(const fs::path& root) {
  if (is_there(root / ".dockerenv")) return "docker";
  if (is_there(root / "run/.containerenv")) return "podman";
  // Written by container managers that follow systemd's container interface: "lxc", "systemd-nspawn".
  const std::optional<std::string> kind = read_small_file(root / "run/systemd/container", 64);
  if (!kind) return {};
  return trim(*kind).empty() ? "container" : std::string(trim(*kind));
}

}  // namespace

OperatingSystem read_operating_system(const fs::path& root) {
  OperatingSystem system;
  const std::map<std::string, std::string> release = read_os_release(root);
  const auto value = [&](const char* key) {
    const auto found = release.find(key);
    return found == release.end() ? std::string() : found->second;
  };
  system.name = value("PRETTY_NAME").empty() ? value("NAME") : value("PRETTY_NAME");
  system.kernel = trim(read_small_file(root / "proc/sys/kernel/osrelease", 256).value_or(""));
  if (system.kernel.empty()) {
    // "Linux version 6.16.9-200.fc42.x86_64 (mockbuild@...) ..."
    std::istringstream words(read_small_file(root / "proc/version").value_or(""));
    std::string linux_word;
    std::string version_word;
    words >> linux_word >> version_word >> system.kernel;
  }
  auto& [major, minor, patch] = system.version;
  std::sscanf(system.kernel.c_str(), "%4d.%4d.%4d", &major, &minor, &patch);
  system.distribution = distribution_of(value("ID"), value("ID_LIKE"));
  system.boot = boot_of(root, value("ID"));
  system.container = container_of(root);
  return system;
}

}  // namespace caldera::machine
