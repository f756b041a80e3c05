// The endpoints of the OpenAI and the Anthropic dialect.
#pragma once

#include "server/models.hpp"
#include "server/route.hpp"

namespace caldera::server {

/// POST /v1/chat/completions, /v1/completions, /v1/responses, /v1/embeddings (501), /v1/messages and
/// /v1/messages/count_tokens. `models` must outlive the routes.
Routes api_routes(Models& models);

}  // namespace caldera::server
