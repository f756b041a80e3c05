// The body of POST /v1/chat/completions.
// Reference: https://platform.openai.com/docs/api-reference/chat/create
#pragma once

#include "server/chat_request.hpp"

namespace caldera::server {

/// Errors: RequestError 400, which names the field. Unknown fields are ignored, as the API does.
ChatRequest parse_openai_chat_request(const Json& body);

}  // namespace caldera::server
