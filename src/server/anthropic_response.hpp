// Answers of POST /v1/messages.
// Shapes: https://docs.anthropic.com/en/api/messages and .../messages-streaming
#pragma once

#include "server/answer_writer.hpp"

namespace caldera::server {

inline constexpr std::string_view kToolUsePrefix = "toolu_";

/// The message object of answers[0].
Json anthropic_message(const AnswerHead& head, std::span<const ModelAnswer> answers);

/// message_start, blocks, message_delta, message_stop.
std::unique_ptr<AnswerWriter> make_anthropic_stream(std::shared_ptr<Responder> responder);

}  // namespace caldera::server
