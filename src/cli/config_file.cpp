#include "cli/config_file.hpp"

#include <fmt/format.h>

#include <fstream>
#include <map>
#include <set>
#include <string>
#include <string_view>

#include "caldera/error.hpp"

namespace caldera::cli {
namespace {

constexpr size_t kMostBytes = size_t{1} << 20;

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view kBlank = " \t\r";
  const size_t first = text.find_first_not_of(kBlank);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kBlank) - first + 1);
}

/// The option that a file calls `name`; null where there is none that a file may set.
CLI::Option* find_option(CLI::App& app, const std::string& name) {
  if (name == "config" || name == "help") return nullptr;
  for (CLI::Option* option : app.get_options()) {
    if (option->check_lname(name)) return option;
    if (option->get_positional() && CLI::detail::to_lower(option->get_name(true)) == name) return option;
  }
  return nullptr;
}

std::string read_file(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) {
    throw Error(ErrorKind::kFile, fmt::format("{}: the configuration cannot be read", path.string()));
  }
  std::string text(kMostBytes + 1, '\0');
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<size_t>(file.gcount()));
  if (text.size() > kMostBytes) {
    throw Error(ErrorKind::kFile, fmt::format("{}: too large for a configuration", path.string()));
  }
  return text;
}

}  // namespace

void apply_config_file(CLI::App& app, const std::filesystem::path& path) {
  const std::string text = read_file(path);
  std::set<CLI::Option*> given;  // elsewhere, which counts more
  for (CLI::Option* option : app.get_options()) {
    if (option->count() > 0) given.insert(option);
  }
  std::map<CLI::Option*, size_t> lines;
  size_t number = 0;
  std::string_view rest = text;
  const auto fail = [&](size_t line, std::string_view what) {
    throw Error(ErrorKind::kUsage, fmt::format("{}, line {}: {}; see caldera {} --help", path.string(), line,
                                               what, app.get_name()));
  };
  while (!rest.empty()) {
    const size_t end = rest.find('\n');
    const std::string_view line = trimmed(rest.substr(0, end));
    rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
    ++number;
    if (line.empty() || line.starts_with('#')) continue;
    const size_t equals = line.find('=');
    const std::string name(trimmed(line.substr(0, equals)));
    const bool has_value = equals != std::string_view::npos;
    CLI::Option* option = find_option(app, name);
    if (option == nullptr) fail(number, fmt::format("there is no option '{}'", name));
    if (given.contains(option)) continue;
    const std::string value(has_value ? trimmed(line.substr(equals + 1)) : "");
    const bool flag = option->get_items_expected_max() == 0;
    if (flag && has_value && value != "true" && value != "false") {
      fail(number, fmt::format("'{}' is either true or false", name));
    }
    if (!flag && value.empty()) fail(number, fmt::format("'{}' needs a value", name));
    if (flag && value == "false") continue;
    option->add_result(flag ? "true" : value);
    lines[option] = number;
  }
  for (const auto& [option, line] : lines) {
    try {
      option->run_callback();
    } catch (const CLI::ParseError& error) {
      fail(line, error.what());
    }
  }
}

}  // namespace caldera::cli
