#include "machine/meminfo.hpp"

#include "machine/small_file.hpp"

namespace caldera::machine {

Meminfo read_meminfo(const std::filesystem::path& root) {
  Meminfo meminfo;
  const std::optional<std::string> text = read_small_file(root / "proc/meminfo");
  std::string_view rest = text ? std::string_view(*text) : std::string_view();
  const auto take = [](std::string_view line, std::string_view key, uint64_t& bytes) {
    if (!line.starts_with(key) || !line.ends_with(" kB")) return;
    const std::optional<uint64_t> kib = parse_number(line.substr(key.size(), line.size() - key.size() - 3));
    if (kib && *kib <= UINT64_MAX / 1024) bytes = *kib * 1024;
  };
  while (!rest.empty()) {
    const std::string_view line = take_line(rest);
    take(line, "MemTotal:", meminfo.total);
    take(line, "MemAvailable:", meminfo.available);
  }
  return meminfo;
}

}  // namespace caldera::machine
