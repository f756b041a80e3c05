// The body of POST /v1/messages and /v1/messages/count_tokens.
// Reference: https://docs.anthropic.com/en/api/messages
#pragma once

#include "server/chat_request.hpp"

namespace caldera::server {

/// Errors: RequestError 400, which names the field. With `count_only`, max_tokens may be absent.
ChatRequest parse_anthropic_request(const Json& body, bool count_only = false);

}  // namespace caldera::server
