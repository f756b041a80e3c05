// POST /v1/completions: text that is gone on with as it is.
// Reference: https://platform.openai.com/docs/api-reference/completions
#pragma once

#include "server/answer_writer.hpp"
#include "server/chat_request.hpp"
#include "server/openai_prompts.hpp"

namespace caldera::server {

struct CompletionsRequest {
  std::string model;
  std::vector<PromptText> prompts;
  AnswerOptions options;
  bool echo = false;
  bool stream = false;
  bool include_usage = false;
};

/// Errors: RequestError 400, which names the field.
CompletionsRequest parse_openai_completions(const Json& body);

/// The text_completion object.
Json text_completion(const AnswerHead& head, std::span<const ModelAnswer> answers);

std::unique_ptr<AnswerWriter> make_completions_stream(std::shared_ptr<Responder> responder,
                                                      bool include_usage, size_t choices);

}  // namespace caldera::server
