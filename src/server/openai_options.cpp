#include "server/openai_options.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

namespace caldera::server {
namespace {

// The API's own bound is 4; more do no harm to speed.
constexpr size_t kMaxStops = 16;
constexpr size_t kMaxStopBytes = 1024;
constexpr size_t kMaxFormatBytes = 1 << 20;

void check_name(const std::string& name, const std::string& path) {
  // https://platform.openai.com/docs/api-reference/chat/create: a-z, A-Z, 0-9, underscores and dashes. Dots
  // are let through as some clients' tool servers write them.
  const bool good = !name.empty() && name.size() <= 128 && std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-' || c == '.';
  });
  if (!good) refuse(path, fmt::format("'{}' must be 1 to 128 letters, digits, '_', '-' or '.'", path));
}

AnswerFormat checked(AnswerFormat format, const std::string& path) {
  if (format.source.size() > kMaxFormatBytes) {
    refuse(path, fmt::format("'{}' must be below 1 MiB", path));
  }
  return format;
}

}  // namespace

AnswerOptions parse_answer_options(const Fields& body) {
  AnswerOptions options;
  SamplingOptions& sampling = options.sampling;
  const auto set = [](float& target, const std::optional<double>& value) {
    if (value) target = static_cast<float>(*value);
  };
  set(sampling.temperature, body.number("temperature", 0, 2));
  set(sampling.top_p, body.number("top_p", 0, 1));
  set(sampling.min_p, body.number("min_p", 0, 1));
  set(sampling.presence_penalty, body.number("presence_penalty", -2, 2));
  set(sampling.frequency_penalty, body.number("frequency_penalty", -2, 2));
  set(sampling.repeat_penalty, body.number("repetition_penalty", 0.01, 10));
  set(sampling.repeat_penalty, body.number("repeat_penalty", 0.01, 10));
  // -1 is "off" to other servers.
  if (const auto top_k = body.integer("top_k", -1, std::numeric_limits<int32_t>::max())) {
    sampling.top_k = static_cast<uint32_t>(std::max<int64_t>(*top_k, 0));
  }
  if (const auto seed =
          body.integer("seed", std::numeric_limits<int64_t>::min(), std::numeric_limits<int64_t>::max())) {
    sampling.seed = static_cast<uint64_t>(*seed);
  }
  options.stop = body.strings("stop", kMaxStops);
  for (const std::string& stop : options.stop) {
    if (stop.empty() || stop.size() > kMaxStopBytes) {
      refuse(body.path_of("stop"), "a stop sequence must have 1 to 1024 bytes");
    }
  }
  options.n = static_cast<uint32_t>(body.integer("n", 1, 128).value_or(1));
  options.ignore_end = body.boolean("ignore_eos").value_or(false);
  options.user = body.string("safety_identifier").value_or(body.string("user").value_or(""));
  if (const Json* bias = body.object("logit_bias"); bias != nullptr && !bias->empty()) {
    refuse(body.path_of("logit_bias"), "'logit_bias' is not supported: leave it out",
           "unsupported_parameter");
  }
  if (const auto pattern = body.string("guided_regex")) {
    options.format = checked({AnswerFormat::Kind::kRegex, *pattern}, body.path_of("guided_regex"));
  }
  if (const Json* schema = body.find("guided_json")) {
    options.format = checked(
        {AnswerFormat::Kind::kJsonSchema, schema->is_string() ? schema->get<std::string>() : schema->dump()},
        body.path_of("guided_json"));
  }
  return options;
}

AnswerFormat parse_response_format(const Fields& body) {
  const Json* format = body.object("response_format");
  if (format == nullptr) return {};
  const Fields fields(*format, body.path_of("response_format"));
  fields.require("type");
  const std::string type = *fields.choice("type", {"text", "json_object", "json_schema", "regex"});
  if (type == "json_object") return {AnswerFormat::Kind::kJson, ""};
  if (type == "regex") {
    return checked({AnswerFormat::Kind::kRegex, fields.required_string("pattern")},
                   fields.path_of("pattern"));
  }
  if (type == "json_schema") {
    fields.require("json_schema");
    const Fields schema(*fields.object("json_schema"), fields.path_of("json_schema"));
    check_name(schema.required_string("name"), schema.path_of("name"));
    const Json* source = schema.object("schema");
    if (source == nullptr) return {AnswerFormat::Kind::kJson, ""};
    return checked({AnswerFormat::Kind::kJsonSchema, source->dump()}, schema.path_of("schema"));
  }
  return {};
}

std::string parse_content_text(const Json& content, const std::string& path) {
  if (content.is_string()) return content.get<std::string>();
  if (!content.is_array()) refuse_type(path, "a string or an array of parts", content);
  std::string text;
  for (size_t i = 0; i < content.size(); ++i) {
    const Fields part(content[i], element_path(path, i));
    const std::string type = part.required_string("type");
    if (type == "text" || type == "input_text" || type == "output_text") {
      text += part.required_string("text");
    } else if (type == "refusal") {
      text += part.required_string("refusal");
    } else {
      refuse(part.path_of("type"), fmt::format("parts of type '{}' are not supported: send text", type),
             "unsupported_value");
    }
  }
  return text;
}

Json arguments_for_template(const Json& arguments) {
  if (!arguments.is_string()) return arguments;
  Json parsed = Json::parse(arguments.get_ref<const std::string&>(), nullptr, false);
  return parsed.is_object() ? parsed : arguments;
}

void set_reasoning_effort(Json& template_variables, std::string_view effort) {
  template_variables["enable_thinking"] = effort != "none";
  template_variables["thinking"] = effort != "none";
  if (effort != "none") template_variables["reasoning_effort"] = effort;
}

bool parse_include_usage(const Fields& body, bool stream) {
  const Json* options = body.object("stream_options");
  if (options == nullptr) return false;
  if (!stream) refuse("stream_options", "'stream_options' goes with 'stream': true only");
  return Fields(*options, "stream_options").boolean("include_usage").value_or(false);
}

void add_tool(ChatRequest& request, const Fields& source, const Json* parameters) {
  const std::string name = source.required_string("name");
  check_name(name, source.path_of("name"));
  Json function = {{"name", name}};
  if (const auto description = source.string("description")) function["description"] = *description;
  function["parameters"] =
      parameters != nullptr ? *parameters : Json{{"type", "object"}, {"properties", Json::object()}};
  request.tools.push_back({{"type", "function"}, {"function", std::move(function)}});
  if (source.boolean("strict").value_or(false)) request.strict_tools.insert(name);
}

void check_tool_choice(const ToolChoice& choice, const Json& tools, std::string_view param) {
  if (choice.kind == ToolChoice::Kind::kAuto || choice.kind == ToolChoice::Kind::kNone) return;
  if (tools.empty()) refuse(param, fmt::format("'{}' asks for a tool, and 'tools' has none", param));
  if (choice.kind == ToolChoice::Kind::kRequired) return;
  for (const Json& tool : tools) {
    if (tool["function"]["name"] == choice.name) return;
  }
  refuse(param, fmt::format("'{}' names '{}', which is not among 'tools'", param, choice.name));
}

}  // namespace caldera::server
