#include "server/chat_prompt.hpp"

#include <fmt/format.h>

#include <utility>

#include "server/tool_call_format.hpp"

namespace caldera::server {
namespace {

std::string dump(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

/// For models that were not taught: what Hermes' own prompt says, in fewer words.
std::string tool_instructions(const Json& tools) {
  std::string text = "You can call these functions, described as JSON:\n<tools>\n";
  for (const Json& tool : tools) text += dump(tool) + "\n";
  text +=
      "</tools>\nTo call one, answer with nothing but\n<tool_call>\n"
      "{\"name\": \"the function\", \"arguments\": {\"parameter\": \"value\"}}\n</tool_call>\n"
      "for each call. The results come in <tool_response> tags.";
  return text;
}

/// The same conversation without roles and fields that only templates with tools know.
Json without_tools(const Json& messages, const Json& tools) {
  Json plain = Json::array();
  for (const Json& message : messages) {
    const std::string role = message["role"];
    std::string content = message["content"];
    if (role == "tool") {
      const std::string response = "<tool_response>\n" + content + "\n</tool_response>";
      // Results of parallel calls are one turn: templates want roles to alternate.
      if (!plain.empty() && plain.back().contains("responses")) {
        plain.back()["content"] = plain.back()["content"].get<std::string>() + "\n" + response;
      } else {
        plain.push_back({{"role", "user"}, {"content", response}, {"responses", true}});
      }
      continue;
    }
    if (message.contains("tool_calls")) {
      for (const Json& call : message["tool_calls"]) {
        if (!content.empty()) content += "\n";
        const Json& function = call["function"];
        content += "<tool_call>\n" +
                   dump({{"name", function["name"]}, {"arguments", function["arguments"]}}) +
                   "\n</tool_call>";
      }
    }
    plain.push_back({{"role", role}, {"content", content}});
  }
  for (Json& message : plain) message.erase("responses");
  if (tools.empty()) return plain;
  if (!plain.empty() && plain[0]["role"] == "system") {
    plain[0]["content"] = plain[0]["content"].get<std::string>() + "\n\n" + tool_instructions(tools);
  } else {
    plain.insert(plain.begin(), Json{{"role", "system"}, {"content", tool_instructions(tools)}});
  }
  return plain;
}

/// How a call of `choice` begins, so that the model must go on with it.
std::string begun_call(ToolStyle style, const ToolChoice& choice) {
  const bool hermes = style == ToolStyle::kHermes;
  std::string begun = hermes ? "<tool_call>\n{\"name\": \"" : "{\"name\": \"";
  if (choice.kind == ToolChoice::Kind::kNamed) {
    begun += choice.name + "\", \"" + (hermes ? "arguments" : "parameters") + "\": {";
  }
  return begun;
}

}  // namespace

void check_prompt_length(const Language& language, size_t tokens, std::string_view param) {
  if (tokens == 0) refuse(param, "the prompt is empty");
  if (tokens >= language.context()) {
    refuse(param,
           fmt::format("the prompt has {} tokens, and the context holds {} with the answer: send less",
                       tokens, language.context()),
           "context_length_exceeded");
  }
}

ChatPrompt make_chat_prompt(const Language& language, const ChatRequest& request) {
  ChatPrompt prompt;
  prompt.format = request.options.format;
  AnswerSyntax& syntax = prompt.syntax;
  const bool offered = !request.tools.empty() && request.tool_choice.kind != ToolChoice::Kind::kNone;
  const ToolStyle taught = tool_style(language.chat_template());
  ChatOptions options;
  Json messages = request.messages;
  if (taught == ToolStyle::kNone) {
    messages = without_tools(messages, offered ? request.tools : Json::array());
  } else if (offered) {
    options.tools_json = dump(request.tools);
  }
  if (!request.template_variables.empty()) options.extra_json = dump(request.template_variables);
  std::string text = language.apply_chat_template(dump(messages), options);

  syntax.inside_reasoning = opens_reasoning(text);
  syntax.parallel = request.parallel_tool_calls;
  if (offered) {
    syntax.style = taught == ToolStyle::kNone ? ToolStyle::kHermes : taught;
    for (const Json& tool : request.tools) syntax.tools.push_back(tool["function"]["name"]);
    const bool required = request.tool_choice.kind != ToolChoice::Kind::kAuto;
    if (required) {
      if (std::exchange(syntax.inside_reasoning, false)) text += "</think>\n\n";
      syntax.reasoning = false;
    }
    if (language.constrains()) {
      if (const auto held = tool_call_format(language, syntax.style, request)) prompt.format = *held;
    } else if (required) {
      syntax.begun = begun_call(syntax.style, request.tool_choice);
      text += syntax.begun;
    }
  }
  if (request.options.format.kind != AnswerFormat::Kind::kText) {
    // The first token is held to the format already: there is no room to think before.
    if (std::exchange(syntax.inside_reasoning, false)) text += "</think>\n\n";
    syntax.reasoning = false;
  }
  // A model's own template writes its BOS itself; the stand-in does not.
  prompt.tokens = language.tokenize(text, !language.has_chat_template(), true);
  check_prompt_length(language, prompt.tokens.size());
  return prompt;
}

}  // namespace caldera::server
