// How event streams of OpenAI's chat completions and completions end.
#pragma once

#include <optional>
#include <string_view>

#include "server/api_error.hpp"
#include "server/fields.hpp"
#include "server/handler.hpp"

namespace caldera::server {

/// Sends the chunk with usage figures, where one is wanted, and the end.
void end_events(Responder& responder, const std::optional<Json>& usage_chunk);
/// Tells of an error: in the stream where it has `begun`, else as the whole answer.
void fail_events(Responder& responder, bool begun, const ApiError& error, std::string_view request_id);

}  // namespace caldera::server
