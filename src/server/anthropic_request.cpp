#include "server/anthropic_request.hpp"

#include <fmt/format.h>

#include <limits>
#include <utility>

#include "server/openai_options.hpp"

namespace caldera::server {
namespace {

/// The text of a tool's result: a string or blocks of text.
std::string parse_result(const Fields& block) {
  const Json* content = block.find("content");
  return content == nullptr ? std::string() : parse_content_text(*content, block.path_of("content"));
}

void add_text(std::string& text, const std::string& more) {
  if (!text.empty() && !more.empty()) text += "\n";
  text += more;
}

void parse_user_blocks(const Json& blocks, const std::string& path, Json& messages) {
  std::string text;
  for (size_t i = 0; i < blocks.size(); ++i) {
    const Fields block(blocks[i], element_path(path, i));
    const std::string type = block.required_string("type");
    if (type == "tool_result") {
      messages.push_back({{"role", "tool"},
                          {"content", parse_result(block)},
                          {"tool_call_id", block.required_string("tool_use_id")}});
    } else if (type == "text") {
      add_text(text, block.required_string("text"));
    } else {
      refuse(block.path_of("type"), fmt::format("blocks of type '{}' are not supported: send text", type),
             "unsupported_value");
    }
  }
  // Results come before what the user says of them, whatever their order in the message.
  if (!text.empty() || blocks.empty()) messages.push_back({{"role", "user"}, {"content", text}});
}

void parse_assistant_blocks(const Json& blocks, const std::string& path, Json& messages) {
  std::string text, reasoning;
  Json calls = Json::array();
  for (size_t i = 0; i < blocks.size(); ++i) {
    const Fields block(blocks[i], element_path(path, i));
    const std::string type = block.required_string("type");
    if (type == "text") {
      add_text(text, block.required_string("text"));
    } else if (type == "thinking") {
      add_text(reasoning, block.required_string("thinking"));
    } else if (type == "tool_use") {
      block.require("input");
      calls.push_back(
          {{"id", block.required_string("id")},
           {"type", "function"},
           {"function", {{"name", block.required_string("name")}, {"arguments", *block.object("input")}}}});
    } else if (type != "redacted_thinking") {
      refuse(block.path_of("type"), fmt::format("blocks of type '{}' are not supported", type),
             "unsupported_value");
    }
  }
  Json message = {{"role", "assistant"}, {"content", text}};
  if (!reasoning.empty()) message["reasoning_content"] = reasoning;
  if (!calls.empty()) message["tool_calls"] = std::move(calls);
  messages.push_back(std::move(message));
}

void parse_message(const Json& value, const std::string& path, Json& messages) {
  const Fields fields(value, path);
  fields.require("role");
  const std::string role = *fields.choice("role", {"user", "assistant", "system"});
  const Json& content = fields.require("content");
  if (content.is_string()) {
    messages.push_back({{"role", role}, {"content", content}});
  } else if (!content.is_array()) {
    refuse_type(fields.path_of("content"), "a string or an array of blocks", content);
  } else if (role == "assistant") {
    parse_assistant_blocks(content, fields.path_of("content"), messages);
  } else if (role == "system") {
    messages.push_back({{"role", role}, {"content", parse_content_text(content, fields.path_of("content"))}});
  } else {
    parse_user_blocks(content, fields.path_of("content"), messages);
  }
}

void parse_tools(const Fields& body, ChatRequest& request) {
  if (const Json* tools = body.array("tools", kMaxTools)) {
    for (size_t i = 0; i < tools->size(); ++i) {
      const Fields tool((*tools)[i], element_path("tools", i));
      if (const auto type = tool.string("type"); type && *type != "custom") {
        refuse(tool.path_of("type"), fmt::format("tools of type '{}' are not supported", *type),
               "unsupported_value");
      }
      tool.require("input_schema");
      add_tool(request, tool, tool.object("input_schema"));
    }
  }
  const Json* choice = body.object("tool_choice");
  if (choice == nullptr) return;
  const Fields fields(*choice, "tool_choice");
  fields.require("type");
  const std::string type = *fields.choice("type", {"auto", "any", "tool", "none"});
  if (type == "any") request.tool_choice.kind = ToolChoice::Kind::kRequired;
  if (type == "none") request.tool_choice.kind = ToolChoice::Kind::kNone;
  if (type == "tool") request.tool_choice = {ToolChoice::Kind::kNamed, fields.required_string("name")};
  request.parallel_tool_calls = !fields.boolean("disable_parallel_tool_use").value_or(false);
  check_tool_choice(request.tool_choice, request.tools, "tool_choice");
}

void parse_thinking(const Fields& body, ChatRequest& request) {
  const Json* thinking = body.object("thinking");
  if (thinking != nullptr) {
    const std::string type = Fields(*thinking, "thinking").required_string("type");
    set_reasoning_effort(request.template_variables, type == "disabled" ? "none" : "medium");
  }
  const Json* config = body.object("output_config");
  if (config == nullptr) return;
  const Fields fields(*config, "output_config");
  if (const auto effort = fields.string("effort")) {
    request.template_variables["reasoning_effort"] = *effort;
  }
  if (const Json* format = fields.object("format")) {
    const Fields source(*format, "output_config.format");
    source.require("type");
    source.choice("type", {"json_schema"});
    source.require("schema");
    request.options.format = {AnswerFormat::Kind::kJsonSchema, source.object("schema")->dump()};
  }
}

}  // namespace

ChatRequest parse_anthropic_request(const Json& json, bool count_only) {
  const Fields body(json, "");
  ChatRequest request;
  request.model = body.required_string("model");
  if (!count_only) body.require("max_tokens");
  request.options.max_tokens =
      static_cast<uint32_t>(body.integer("max_tokens", 1, std::numeric_limits<int32_t>::max()).value_or(1));
  if (const Json* system = body.find("system")) {
    std::string text = parse_content_text(*system, "system");
    if (!text.empty()) request.messages.push_back({{"role", "system"}, {"content", std::move(text)}});
  }
  body.require("messages");
  const Json& messages = *body.array("messages", kMaxMessages);
  if (messages.empty()) refuse("messages", "'messages' must have at least one message");
  for (size_t i = 0; i < messages.size(); ++i) {
    parse_message(messages[i], element_path("messages", i), request.messages);
  }
  parse_tools(body, request);
  SamplingOptions& sampling = request.options.sampling;
  if (const auto value = body.number("temperature", 0, 1)) sampling.temperature = static_cast<float>(*value);
  if (const auto value = body.number("top_p", 0, 1)) sampling.top_p = static_cast<float>(*value);
  if (const auto value = body.integer("top_k", 0, std::numeric_limits<int32_t>::max())) {
    sampling.top_k = static_cast<uint32_t>(*value);
  }
  request.options.stop = body.strings("stop_sequences", 64);
  for (const std::string& stop : request.options.stop) {
    if (stop.empty() || stop.size() > 1024) {
      refuse("stop_sequences", "a stop sequence must have 1 to 1024 bytes");
    }
  }
  if (const Json* metadata = body.object("metadata")) {
    request.options.user = Fields(*metadata, "metadata").string("user_id").value_or("");
  }
  parse_thinking(body, request);
  request.stream = body.boolean("stream").value_or(false);
  return request;
}

}  // namespace caldera::server
