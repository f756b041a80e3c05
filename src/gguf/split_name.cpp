#include "gguf/split_name.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <charconv>
#include <string>
#include <string_view>

namespace caldera::gguf {
namespace {

constexpr size_t kDigits = 5;

std::optional<uint32_t> parse_digits(std::string_view text) {
  uint32_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

}  // namespace

std::optional<SplitName> parse_split_name(const std::filesystem::path& path) {
  constexpr std::string_view kPattern = "-00000-of-00000.gguf";
  const std::string name = path.filename().string();
  if (name.size() < kPattern.size()) return std::nullopt;
  const std::string_view tail = std::string_view(name).substr(name.size() - kPattern.size());
  const auto number = parse_digits(tail.substr(1, kDigits));
  const auto count = parse_digits(tail.substr(10, kDigits));
  if (!number || !count || tail[0] != '-' || tail.substr(6, 4) != "-of-" || tail.substr(15) != ".gguf") {
    return std::nullopt;
  }
  if (*number == 0 || *number > *count || *count > kMaxSplits) return std::nullopt;
  return SplitName{path.parent_path() / name.substr(0, name.size() - kPattern.size()), *number, *count};
}

std::filesystem::path split_path(const std::filesystem::path& model, uint32_t number, uint32_t count) {
  std::filesystem::path path = model;
  path += fmt::format("-{:05}-of-{:05}.gguf", number, count);
  return path;
}

}  // namespace caldera::gguf
