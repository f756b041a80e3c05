// Answers of POST /v1/chat/completions.
// Shapes: https://platform.openai.com/docs/api-reference/chat/object and .../chat/streaming
#pragma once

#include "server/answer_writer.hpp"

namespace caldera::server {

/// The chat.completion object. Logprobs are there where `answers` have them.
Json chat_completion(const AnswerHead& head, std::span<const ModelAnswer> answers);

/// A stream of chat.completion.chunk objects, then [DONE]. Logprobs are there where `logprobs`.
std::unique_ptr<AnswerWriter> make_chat_stream(std::shared_ptr<Responder> responder, uint32_t choices,
                                               bool include_usage, bool logprobs);

}  // namespace caldera::server
