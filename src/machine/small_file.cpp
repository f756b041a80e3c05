#include "machine/small_file.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>

namespace caldera::machine {

std::optional<std::string> read_small_file(const std::filesystem::path& path, size_t limit) {
  const int file = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  if (file < 0) return std::nullopt;
  struct stat status {};
  std::optional<std::string> text;
  if (fstat(file, &status) == 0 && S_ISREG(status.st_mode)) {
    char buffer[4096];
    text.emplace();
    while (text->size() < limit) {
      const ssize_t got = read(file, buffer, std::min(sizeof buffer, limit - text->size()));
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) text.reset();
      if (got <= 0) break;
      text->append(buffer, static_cast<size_t>(got));
    }
  }
  close(file);
  return text;
}

std::string_view trim(std::string_view text) {
  constexpr std::string_view kSpace(" \t\r\n\v\f\0", 7);
  const size_t first = text.find_first_not_of(kSpace);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kSpace) - first + 1);
}

std::string_view take_line(std::string_view& text) {
  const size_t end = text.find('\n');
  const std::string_view line = text.substr(0, end);
  text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  return line;
}

std::optional<uint64_t> parse_number(std::string_view text) {
  text = trim(text);
  const bool hexadecimal = text.starts_with("0x") || text.starts_with("0X");
  if (hexadecimal) text.remove_prefix(2);
  uint64_t value = 0;
  const char* const end = text.data() + text.size();
  const auto [parsed, error] = std::from_chars(text.data(), end, value, hexadecimal ? 16 : 10);
  if (error != std::errc() || parsed != end) return std::nullopt;
  return value;
}

std::optional<uint64_t> read_number(const std::filesystem::path& path) {
  const std::optional<std::string> text = read_small_file(path, 64);
  return text ? parse_number(*text) : std::nullopt;
}

std::vector<std::string> list_names(const std::filesystem::path& folder) {
  constexpr size_t kMostNames = 4096;
  std::vector<std::string> names;
  std::error_code error;
  std::filesystem::directory_iterator entry(folder, error);
  while (!error && entry != std::filesystem::directory_iterator() && names.size() < kMostNames) {
    names.push_back(entry->path().filename().string());
    entry.increment(error);
  }
  std::ranges::sort(names);
  return names;
}

}  // namespace caldera::machine
