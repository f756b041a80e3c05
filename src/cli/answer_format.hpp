// What the answers of `caldera run` must look like: --json-schema and --regex.
#pragma once

#include <CLI/CLI.hpp>
#include <optional>
#include <string>

#include "caldera/constraint.hpp"

namespace caldera::cli {

struct FormatOptions {
  std::optional<std::string> json_schema;
  std::optional<std::string> regex;
};

void declare_format_options(CLI::App& app, FormatOptions& options);

/// Reads the schema's file. Errors: kUsage for both, kFile, kInput.
AnswerFormat answer_format(const FormatOptions& options);

}  // namespace caldera::cli
