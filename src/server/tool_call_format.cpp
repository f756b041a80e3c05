#include "server/tool_call_format.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "caldera/error.hpp"
#include "text/json_schema.hpp"

namespace caldera::server {
namespace {

// Grammars are written in llguidance's kind of Lark:
// https://github.com/guidance-ai/llguidance/blob/main/docs/syntax.md

constexpr std::string_view kAnyObject = R"({"type":"object"})";

/// A string of the grammar; its escapes are JSON's.
std::string quoted(const std::string& text) {
  return Json(text).dump();
}

/// The schema of a tool's arguments, which are an object whatever it says, as the grammar takes it.
std::string arguments_schema(const ChatRequest& request, const Json& function, bool loosely) {
  const std::string name = function["name"];
  const bool strict = request.strict_tools.contains(name);
  if (loosely && !strict) return text::prepare_json_schema(kAnyObject);
  Json parameters = function["parameters"];
  if (parameters.is_object() && !parameters.contains("type")) parameters["type"] = "object";
  try {
    return text::prepare_json_schema(parameters.dump(-1, ' ', true, Json::error_handler_t::replace));
  } catch (const Error& error) {
    if (strict) throw Error(error.kind(), fmt::format("the tool '{}': {}", name, error.what()));
    return text::prepare_json_schema(kAnyObject);
  }
}

/// The rule "call", an object for one of the tools that may be called.
std::string call_rules(const ChatRequest& request, ToolStyle style, bool loosely) {
  const char* key = style == ToolStyle::kHermes ? "arguments" : "parameters";
  std::string choices, rules;
  for (size_t i = 0; i < request.tools.size(); ++i) {
    const Json& function = request.tools[i]["function"];
    const std::string name = function["name"];
    if (request.tool_choice.kind == ToolChoice::Kind::kNamed && name != request.tool_choice.name) continue;
    choices += fmt::format("{}call_{}", choices.empty() ? "" : " | ", i);
    rules += fmt::format("call_{}: {} arguments_{} \"}}\"\narguments_{}: %json {}\n", i,
                         quoted(fmt::format("{{\"name\": \"{}\", \"{}\": ", name, key)), i, i,
                         arguments_schema(request, function, loosely));
  }
  return fmt::format("call: {}\n{}", choices, rules);
}

/// The rule "content", what may come instead of calls; with text in Hermes' style also "preamble", text up to
/// the beginning of a call.
std::string content_rules(ToolStyle style, const AnswerFormat& format) {
  if (format.kind != AnswerFormat::Kind::kText) {
    const std::string_view schema =
        format.kind == AnswerFormat::Kind::kJson ? kAnyObject : std::string_view(format.source);
    return fmt::format("content: %json {}\n", text::prepare_json_schema(schema));
  }
  if (style != ToolStyle::kHermes) return "content: /([ \\t\\r\\n]*[^ \\t\\r\\n{\\[](.|\\n)*)?/\n";
  return "content: TEXT\n"
         "TEXT: /(.|\\n)*/ & ~/(.|\\n)*<tool_call>(.|\\n)*/\n"
         "preamble[lazy]: /(.|\\n)*<tool_call>/\n";
}

std::string grammar(const ChatRequest& request, ToolStyle style, bool loosely) {
  const bool hermes = style == ToolStyle::kHermes;
  const bool required = request.tool_choice.kind != ToolChoice::Kind::kAuto;
  const bool text = !required && request.options.format.kind == AnswerFormat::Kind::kText;
  const bool several = request.parallel_tool_calls && request.tool_choice.kind != ToolChoice::Kind::kNamed;
  std::string first = hermes ? (text ? "preamble rest" : "\"<tool_call>\" rest") : "call";
  if (several) first += hermes ? " (\"\\n<tool_call>\" rest)*" : " (\"; \" call)*";
  std::string rules = fmt::format("start: {}{}\n", required ? "" : "content | ", first);
  if (hermes) rules += "rest: \"\\n\" call \"\\n</tool_call>\"\n";
  if (!required) rules += content_rules(style, request.options.format);
  return rules + call_rules(request, style, loosely);
}

bool held(const ChatRequest& request) {
  switch (request.tool_choice.kind) {
    case ToolChoice::Kind::kNone:
      return false;
    case ToolChoice::Kind::kAuto:
      break;
    default:
      return true;
  }
  // An answer that a pattern matches is no call.
  if (request.options.format.kind == AnswerFormat::Kind::kRegex) return false;
  return !request.strict_tools.empty() || request.options.format.kind != AnswerFormat::Kind::kText;
}

}  // namespace

std::optional<AnswerFormat> tool_call_format(const Language& language, ToolStyle style,
                                             const ChatRequest& request) {
  if (!held(request)) return std::nullopt;
  AnswerFormat format{AnswerFormat::Kind::kGrammar, grammar(request, style, false)};
  try {
    language.constrain(format);
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::kInput) throw;
    format.source = grammar(request, style, true);
    language.constrain(format);
  }
  return format;
}

}  // namespace caldera::server
