// The fields that the endpoints of the OpenAI dialect share.
// Reference: https://platform.openai.com/docs/api-reference/chat/create
#pragma once

#include "server/chat_request.hpp"

namespace caldera::server {

/// temperature, top_p, seed, stop, penalties, n, user, and those that other local servers know: top_k, min_p,
/// repeat_penalty (or repetition_penalty), ignore_eos, guided_regex, guided_json.
/// Errors: 400; logit_bias is refused unless empty.
AnswerOptions parse_answer_options(const Fields& body);

/// response_format of chat completions; kText where it is absent.
AnswerFormat parse_response_format(const Fields& body);

/// A string, or the joined text of content parts; others (images, audio) are refused.
std::string parse_content_text(const Json& content, const std::string& path);

/// `arguments` of a tool call as templates like them: an object where the string holds one.
Json arguments_for_template(const Json& arguments);

/// Makes reasoning effort ("none", "low" ...) the template's variables.
void set_reasoning_effort(Json& template_variables, std::string_view effort);

/// stream_options.include_usage.
bool parse_include_usage(const Fields& body, bool stream);

/// Adds one function tool as templates read it. `source` holds name, description and strict.
void add_tool(ChatRequest& request, const Fields& source, const Json* parameters);

/// Errors: 400 where `choice` names a tool that is not in `tools`, or asks for one where there is none.
void check_tool_choice(const ToolChoice& choice, const Json& tools, std::string_view param);

}  // namespace caldera::server
