// Answers that must call tools, or whose calls must fit the tools' schemas, as a grammar.
#pragma once

#include <optional>

#include "server/chat_request.hpp"
#include "server/tool_call_parser.hpp"

namespace caldera::server {

/// What an answer to `request`, which offers tools, is held to: calls in the model's style where tool_choice
/// asks for them; where a tool is strict, or a format is given beside tools, calls or an answer in that
/// format. Nothing where the model may write as it likes. Arguments fit the tool's schema; where that cannot
/// be held and the tool is not strict, they are an object. Errors: kInput, for a strict tool's schema.
std::optional<AnswerFormat> tool_call_format(const Language& language, ToolStyle style,
                                             const ChatRequest& request);

}  // namespace caldera::server
