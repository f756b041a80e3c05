#include "cli/answer_format.hpp"

#include "caldera/error.hpp"
#include "cli/prompt.hpp"

namespace caldera::cli {

void declare_format_options(CLI::App& app, FormatOptions& options) {
  app.add_option("--json-schema", options.json_schema,
                 "Hold the answer to a JSON Schema: its file, or the schema itself, from '{' on");
  app.add_option("--regex", options.regex, "Hold the answer to a pattern, which matches all of it");
}

AnswerFormat answer_format(const FormatOptions& options) {
  if (options.json_schema && options.regex) {
    throw Error(ErrorKind::kUsage, "--json-schema and --regex exclude each other: give one of them");
  }
  if (options.regex) return {AnswerFormat::Kind::kRegex, *options.regex};
  if (!options.json_schema) return {};
  const std::string& schema = *options.json_schema;
  const bool is_text =
      schema.find_first_not_of(" \t\r\n") == schema.find('{') && schema.find('{') != std::string::npos;
  return {AnswerFormat::Kind::kJsonSchema, is_text ? schema : read_text(schema)};
}

}  // namespace caldera::cli
