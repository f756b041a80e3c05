#include "machine/kernel_options.hpp"

#include <algorithm>
#include <array>
#include <sstream>

#include "machine/small_file.hpp"

namespace caldera::machine {
namespace {

namespace fs = std::filesystem;

constexpr std::array<std::string_view, 3> kModules = {"ttm", "amdttm", "amdgpu"};
constexpr size_t kMostOptions = 256;

/// Reads "module.name=value"; the kernel takes '-' for '_' in names.
std::optional<ModuleOption> parse_option(std::string_view module, std::string_view assignment,
                                         const std::string& where) {
  const size_t equals = assignment.find('=');
  if (std::ranges::find(kModules, module) == kModules.end() || equals == std::string_view::npos) return {};
  ModuleOption option{std::string(module), std::string(assignment.substr(0, equals)),
                      std::string(assignment.substr(equals + 1)), where};
  std::ranges::replace(option.name, '-', '_');
  return option;
}

/// The lines "options MODULE name=value ..." of a file for modprobe. Source: modprobe.d(5).
void read_modprobe_file(const std::string& text, const std::string& where,
                        std::vector<ModuleOption>& options) {
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    std::string word;
    std::string module;
    if (!(words >> word >> module) || word != "options") continue;
    while (words >> word && options.size() < kMostOptions) {
      if (auto option = parse_option(module, word, where)) options.push_back(std::move(*option));
    }
  }
}

}  // namespace

bool KernelOptions::has_word(std::string_view word) const {
  return std::ranges::find(command_line, word) != command_line.end();
}

const ModuleOption* KernelOptions::find(std::string_view module, std::string_view name) const {
  const auto found = std::ranges::find_if(
      modules, [&](const ModuleOption& option) { return option.module == module && option.name == name; });
  return found == modules.end() ? nullptr : &*found;
}

KernelOptions read_kernel_options(const fs::path& root) {
  KernelOptions options;
  std::istringstream words(read_small_file(root / "proc/cmdline").value_or(""));
  for (std::string word; words >> word && options.command_line.size() < kMostOptions;) {
    const size_t dot = word.find('.');
    if (dot != std::string::npos) {
      if (auto option = parse_option(word.substr(0, dot), word.substr(dot + 1), "/proc/cmdline")) {
        // The last of several is in force.
        options.modules.insert(options.modules.begin(), std::move(*option));
      }
    }
    options.command_line.push_back(std::move(word));
  }
  for (const char* folder : {"etc/modprobe.d", "run/modprobe.d", "usr/lib/modprobe.d", "lib/modprobe.d"}) {
    for (const std::string& name : list_names(root / folder)) {
      if (!name.ends_with(".conf")) continue;
      const std::optional<std::string> text = read_small_file(root / folder / name);
      if (text) read_modprobe_file(*text, "/" + std::string(folder) + "/" + name, options.modules);
    }
  }
  const fs::path modules = root / "sys/module";
  std::error_code error;
  if (fs::exists(modules / "amdttm", error)) options.ttm_module = "amdttm";
  const fs::path ttm = modules / options.ttm_module / "parameters";
  options.pages_limit = read_number(ttm / "pages_limit");
  options.page_pool_size = read_number(ttm / "page_pool_size");
  // -1, "as ttm says", is not a number here.
  options.gtt_mib = read_number(modules / "amdgpu/parameters/gttsize");
  return options;
}

}  // namespace caldera::machine
