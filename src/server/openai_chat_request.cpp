#include "server/openai_chat_request.hpp"

#include <fmt/format.h>

#include <limits>

#include "server/openai_options.hpp"

namespace caldera::server {
namespace {

Json parse_tool_calls(const Json& calls, const std::string& path) {
  Json result = Json::array();
  for (size_t i = 0; i < calls.size(); ++i) {
    const Fields call(calls[i], element_path(path, i));
    call.choice("type", {"function"});
    call.require("function");
    const Fields function(*call.object("function"), call.path_of("function"));
    const Json* arguments = function.find("arguments");
    if (arguments != nullptr && !arguments->is_string() && !arguments->is_object()) {
      refuse_type(function.path_of("arguments"), "a string", *arguments);
    }
    result.push_back(
        {{"id", call.string("id").value_or("")},
         {"type", "function"},
         {"function",
          {{"name", function.required_string("name")},
           {"arguments", arguments != nullptr ? arguments_for_template(*arguments) : Json::object()}}}});
  }
  return result;
}

Json parse_message(const Json& value, const std::string& path) {
  const Fields fields(value, path);
  fields.require("role");
  std::string role = *fields.choice("role", {"system", "developer", "user", "assistant", "tool", "function"});
  if (role == "developer") role = "system";
  if (role == "function") role = "tool";
  Json message = {{"role", role}};
  const Json* calls = role == "assistant" ? fields.array("tool_calls", kMaxTools) : nullptr;
  const Json* content = fields.find("content");
  const bool may_be_empty = role == "assistant" && (calls != nullptr || fields.find("refusal") != nullptr ||
                                                    fields.find("reasoning_content") != nullptr);
  if (content == nullptr && !may_be_empty) fields.require("content");
  message["content"] = content != nullptr ? parse_content_text(*content, fields.path_of("content"))
                                          : fields.string("refusal").value_or("");
  if (const auto name = fields.string("name")) message["name"] = *name;
  if (role == "assistant") {
    if (const auto reasoning = fields.string("reasoning_content")) message["reasoning_content"] = *reasoning;
    if (calls != nullptr && !calls->empty()) {
      message["tool_calls"] = parse_tool_calls(*calls, fields.path_of("tool_calls"));
    }
  }
  if (role == "tool") {
    if (const auto id = fields.string("tool_call_id")) message["tool_call_id"] = *id;
  }
  return message;
}

void parse_tools(const Fields& body, ChatRequest& request) {
  const Json* source = body.array("tools", kMaxTools);
  if (source == nullptr) return;
  for (size_t i = 0; i < source->size(); ++i) {
    const Fields tool((*source)[i], element_path("tools", i));
    tool.require("type");
    tool.choice("type", {"function"});
    tool.require("function");
    const Fields function(*tool.object("function"), tool.path_of("function"));
    add_tool(request, function, function.object("parameters"));
  }
}

ToolChoice parse_tool_choice(const Fields& body) {
  const Json* choice = body.find("tool_choice");
  if (choice == nullptr) return {};
  if (choice->is_string()) {
    const std::string word = *body.choice("tool_choice", {"auto", "none", "required"});
    if (word == "none") return {ToolChoice::Kind::kNone, ""};
    if (word == "required") return {ToolChoice::Kind::kRequired, ""};
    return {};
  }
  if (!choice->is_object()) refuse_type("tool_choice", "a string or an object", *choice);
  const Fields fields(*choice, "tool_choice");
  fields.require("type");
  fields.choice("type", {"function"});
  fields.require("function");
  return {ToolChoice::Kind::kNamed,
          Fields(*fields.object("function"), "tool_choice.function").required_string("name")};
}

void parse_logprobs(const Fields& body, AnswerOptions& options) {
  const auto top = body.integer("top_logprobs", 0, 20);
  const bool wanted = body.boolean("logprobs").value_or(false);
  if (top && *top > 0 && !wanted) {
    refuse("top_logprobs", "'top_logprobs' goes with 'logprobs': true only");
  }
  if (wanted) options.top_logprobs = static_cast<uint32_t>(top.value_or(0));
}

}  // namespace

ChatRequest parse_openai_chat_request(const Json& json) {
  const Fields body(json, "");
  ChatRequest request;
  request.model = body.required_string("model");
  body.require("messages");
  const Json& messages = *body.array("messages", kMaxMessages);
  if (messages.empty()) refuse("messages", "'messages' must have at least one message");
  for (size_t i = 0; i < messages.size(); ++i) {
    request.messages.push_back(parse_message(messages[i], element_path("messages", i)));
  }
  parse_tools(body, request);
  request.tool_choice = parse_tool_choice(body);
  check_tool_choice(request.tool_choice, request.tools, "tool_choice");
  request.parallel_tool_calls = body.boolean("parallel_tool_calls").value_or(true);
  request.options = parse_answer_options(body);
  if (body.find("response_format") != nullptr) request.options.format = parse_response_format(body);
  constexpr int64_t kMost = std::numeric_limits<int32_t>::max();
  const auto max_tokens = body.integer("max_tokens", 1, kMost);
  request.options.max_tokens =
      static_cast<uint32_t>(body.integer("max_completion_tokens", 1, kMost).value_or(max_tokens.value_or(0)));
  parse_logprobs(body, request.options);
  request.stream = body.boolean("stream").value_or(false);
  request.include_usage = parse_include_usage(body, request.stream);
  if (const Json* modalities = body.array("modalities", 8)) {
    for (const Json& modality : *modalities) {
      if (modality != "text") refuse("modalities", "only text is answered", "unsupported_value");
    }
  }
  if (const auto effort = body.string("reasoning_effort")) {
    set_reasoning_effort(request.template_variables, *effort);
  }
  if (const Json* variables = body.object("chat_template_kwargs")) {
    for (const auto& [name, value] : variables->items()) request.template_variables[name] = value;
  }
  return request;
}

}  // namespace caldera::server
