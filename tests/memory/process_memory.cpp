#include "memory/process_memory.hpp"

#include <malloc.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include "machine/host_memory.hpp"

namespace caldera::test {
namespace {

/// The sum of the lines of a file that begin with one of `keys`, which are in kB.
template <size_t N>
uint64_t sum_of(const std::string& path, const char* const (&keys)[N]) {
  std::ifstream file(path);
  uint64_t bytes = 0;
  for (std::string line; std::getline(file, line);) {
    const size_t colon = line.find(':');
    const auto is_key = [&](const char* key) { return line.compare(0, colon, key) == 0; };
    if (colon != std::string::npos && std::any_of(std::begin(keys), std::end(keys), is_key))
      bytes += std::stoull(line.substr(colon + 1)) * 1024;
  }
  return bytes;
}

}  // namespace

ProcessMemory process_memory(pid_t pid, bool with_private) {
  const std::string folder = "/proc/" + (pid == 0 ? std::string("self") : std::to_string(pid));
  if (pid == 0) ::malloc_trim(0);
  ProcessMemory memory;
  memory.anonymous = sum_of(folder + "/status", {"RssAnon"});
  memory.shared_anonymous = sum_of(folder + "/status", {"RssShmem"});
  memory.file = sum_of(folder + "/status", {"RssFile"});
  if (with_private)
    memory.private_pages = sum_of(folder + "/smaps_rollup", {"Private_Clean", "Private_Dirty"});
  return memory;
}

size_t open_descriptors() {
  const std::filesystem::directory_iterator all("/proc/self/fd");
  return static_cast<size_t>(std::distance(begin(all), end(all)));
}

size_t running_threads() {
  size_t threads = 0;
  for (const auto& task : std::filesystem::directory_iterator("/proc/self/task")) {
    std::string name;
    std::getline(std::ifstream(task.path() / "comm"), name);
    if (!name.starts_with("iou-")) ++threads;
  }
  return threads;
}

uint64_t free_ram() {
  return machine::available_ram();
}

}  // namespace caldera::test
