#include "server/openai_responses_request.hpp"

#include <fmt/format.h>

#include <limits>
#include <utility>

#include "server/openai_options.hpp"

namespace caldera::server {
namespace {

void add_call(const Fields& item, Json& messages) {
  Json call = {{"id", item.required_string("call_id")},
               {"type", "function"},
               {"function",
                {{"name", item.required_string("name")},
                 {"arguments", arguments_for_template(Json(item.required_string("arguments")))}}}};
  // Parallel calls, and the words before them, are one turn.
  if (messages.empty() || messages.back()["role"] != "assistant") {
    messages.push_back({{"role", "assistant"}, {"content", ""}});
  }
  messages.back()["tool_calls"].push_back(std::move(call));
}

std::string reasoning_text(const Fields& item) {
  std::string text;
  for (const char* field : {"content", "summary"}) {
    const Json* parts = item.array(field, kMaxMessages);
    if (parts == nullptr) continue;
    for (size_t i = 0; i < parts->size(); ++i) {
      text += Fields((*parts)[i], element_path(item.path_of(field), i)).required_string("text");
    }
    if (!text.empty()) break;
  }
  return text;
}

void parse_item(const Json& value, const std::string& path, Json& messages, std::string& reasoning) {
  const Fields item(value, path);
  const std::string type = item.string("type").value_or("message");
  if (type == "message") {
    item.require("role");
    std::string role = *item.choice("role", {"user", "assistant", "system", "developer"});
    if (role == "developer") role = "system";
    Json message = {{"role", role},
                    {"content", parse_content_text(item.require("content"), item.path_of("content"))}};
    if (role == "assistant" && !reasoning.empty()) {
      message["reasoning_content"] = std::exchange(reasoning, {});
    }
    messages.push_back(std::move(message));
  } else if (type == "function_call") {
    add_call(item, messages);
    if (!reasoning.empty()) messages.back()["reasoning_content"] = std::exchange(reasoning, {});
  } else if (type == "function_call_output") {
    messages.push_back({{"role", "tool"},
                        {"content", parse_content_text(item.require("output"), item.path_of("output"))},
                        {"tool_call_id", item.required_string("call_id")}});
  } else if (type == "reasoning") {
    reasoning = reasoning_text(item);
  } else {
    refuse(item.path_of("type"), fmt::format("items of type '{}' are not supported", type),
           "unsupported_value");
  }
}

void parse_tools(const Fields& body, ChatRequest& request) {
  if (const Json* tools = body.array("tools", kMaxTools)) {
    for (size_t i = 0; i < tools->size(); ++i) {
      const Fields tool((*tools)[i], element_path("tools", i));
      const std::string type = tool.required_string("type");
      if (type != "function") {
        refuse(tool.path_of("type"), fmt::format("tools of type '{}' are not supported", type),
               "unsupported_value");
      }
      add_tool(request, tool, tool.object("parameters"));
    }
  }
  if (const Json* choice = body.find("tool_choice")) {
    if (choice->is_string()) {
      const std::string word = *body.choice("tool_choice", {"auto", "none", "required"});
      if (word == "none") request.tool_choice.kind = ToolChoice::Kind::kNone;
      if (word == "required") request.tool_choice.kind = ToolChoice::Kind::kRequired;
    } else {
      const Fields fields(*choice, "tool_choice");
      fields.require("type");
      fields.choice("type", {"function"});
      request.tool_choice = {ToolChoice::Kind::kNamed, fields.required_string("name")};
    }
    check_tool_choice(request.tool_choice, request.tools, "tool_choice");
  }
  request.parallel_tool_calls = body.boolean("parallel_tool_calls").value_or(true);
}

void parse_format(const Fields& body, ChatRequest& request) {
  const Json* text = body.object("text");
  if (text == nullptr) return;
  const Json* format = Fields(*text, "text").object("format");
  if (format == nullptr) return;
  const Fields fields(*format, "text.format");
  fields.require("type");
  const std::string type = *fields.choice("type", {"text", "json_object", "json_schema"});
  if (type == "json_object") request.options.format = {AnswerFormat::Kind::kJson, ""};
  if (type == "json_schema") {
    fields.require("schema");
    request.options.format = {AnswerFormat::Kind::kJsonSchema, fields.object("schema")->dump()};
  }
}

/// Fields that mean something only where past responses are kept, or another service is asked.
void refuse_unsupported(const Fields& body) {
  for (const char* name : {"previous_response_id", "conversation", "prompt"}) {
    if (body.find(name) != nullptr) {
      refuse(name, fmt::format("'{}' is not supported: nothing is stored, so send the whole input", name),
             "unsupported_parameter");
    }
  }
  if (body.boolean("background").value_or(false)) {
    refuse("background", "'background' is not supported: leave it out", "unsupported_parameter");
  }
}

}  // namespace

ResponsesRequest parse_openai_responses(const Json& json) {
  const Fields body(json, "");
  ResponsesRequest request;
  ChatRequest& chat = request.chat;
  chat.model = body.required_string("model");
  refuse_unsupported(body);
  if (const auto instructions = body.string("instructions")) {
    chat.messages.push_back({{"role", "system"}, {"content", *instructions}});
  }
  const Json& input = body.require("input");
  if (input.is_string()) {
    chat.messages.push_back({{"role", "user"}, {"content", input}});
  } else {
    if (!input.is_array()) refuse_type("input", "a string or an array of items", input);
    std::string reasoning;
    for (size_t i = 0; i < body.array("input", kMaxMessages)->size(); ++i) {
      parse_item(input[i], element_path("input", i), chat.messages, reasoning);
    }
    if (input.empty()) refuse("input", "'input' must have at least one item");
  }
  parse_tools(body, chat);
  chat.options = parse_answer_options(body);
  chat.options.n = 1;
  parse_format(body, chat);
  const auto most = body.integer("max_output_tokens", 1, std::numeric_limits<int32_t>::max());
  chat.options.max_tokens = static_cast<uint32_t>(most.value_or(0));
  const auto top = body.integer("top_logprobs", 0, 20);
  if (const Json* include = body.array("include", 64)) {
    for (const Json& what : *include) {
      if (what == "message.output_text.logprobs") {
        chat.options.top_logprobs = static_cast<uint32_t>(top.value_or(0));
      }
    }
  }
  if (const Json* reasoning = body.object("reasoning")) {
    if (const auto effort = Fields(*reasoning, "reasoning").string("effort")) {
      set_reasoning_effort(chat.template_variables, *effort);
    }
  }
  chat.stream = body.boolean("stream").value_or(false);

  const auto or_null = [&](const char* name) {
    const Json* value = body.find(name);
    return value == nullptr ? Json() : *value;
  };
  const auto or_default = [&](const char* name, const Json& value) {
    const Json* given = body.find(name);
    return given == nullptr ? value : *given;
  };
  request.echo = {{"instructions", or_null("instructions")},
                  {"max_output_tokens", or_null("max_output_tokens")},
                  {"metadata", or_default("metadata", Json::object())},
                  {"parallel_tool_calls", chat.parallel_tool_calls},
                  {"previous_response_id", nullptr},
                  {"reasoning", or_default("reasoning", Json{{"effort", nullptr}, {"summary", nullptr}})},
                  {"store", false},
                  {"temperature", chat.options.sampling.temperature},
                  {"text", or_default("text", Json{{"format", Json{{"type", "text"}}}})},
                  {"tool_choice", or_default("tool_choice", "auto")},
                  {"tools", or_default("tools", Json::array())},
                  {"top_logprobs", top.value_or(0)},
                  {"top_p", chat.options.sampling.top_p},
                  {"truncation", "disabled"},
                  {"user", or_null("user")}};
  return request;
}

}  // namespace caldera::server
