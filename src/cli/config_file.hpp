// Options from a file, under the names they have on the command line.
#pragma once

#include <CLI/CLI.hpp>
#include <filesystem>

namespace caldera::cli {

/// Gives `app`, which was parsed, what `path` says and the command line (or the environment) left open. A
/// line is "NAME = VALUE" with the option's name without dashes, or "NAME" alone for one that takes no value;
/// a line again for each further value of an option that takes several; '#' begins a line that is left out.
/// The positional argument goes by its name in small letters. Errors: kFile, kUsage with the number of the
/// line.
void apply_config_file(CLI::App& app, const std::filesystem::path& path);

}  // namespace caldera::cli
