// The body of POST /v1/responses.
// Reference: https://platform.openai.com/docs/api-reference/responses/create
#pragma once

#include "server/chat_request.hpp"

namespace caldera::server {

struct ResponsesRequest {
  ChatRequest chat;
  Json echo;  ///< what the response object repeats of the request
};

/// Errors: RequestError 400, which names the field. What needs a store of past responses is refused.
ResponsesRequest parse_openai_responses(const Json& body);

}  // namespace caldera::server
