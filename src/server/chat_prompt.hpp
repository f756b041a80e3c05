// From a conversation to the tokens that a model reads.
#pragma once

#include <vector>

#include "server/chat_request.hpp"
#include "server/model_answer.hpp"

namespace caldera::server {

struct ChatPrompt {
  std::vector<Token> tokens;
  AnswerSyntax syntax;  ///< of the answer
  AnswerFormat format;  ///< what it is held to
};

/// Renders the model's template. A model whose template knows nothing of tools is told of them in the system
/// message, in the style of Hermes. Where a call is required, the answer is held to calls, or in a build that
/// cannot do that, the prompt ends with the beginning of one.
/// Errors: Error (kInput) where the template raises, and for a strict tool that cannot be held; RequestError
/// 400 "context_length_exceeded".
ChatPrompt make_chat_prompt(const Language& language, const ChatRequest& request);

/// RequestError 400 "context_length_exceeded" where `tokens` leave no room for an answer, and where there are
/// none.
void check_prompt_length(const Language& language, size_t tokens, std::string_view param = "messages");

}  // namespace caldera::server
