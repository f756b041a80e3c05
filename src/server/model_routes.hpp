// /v1/models: what there is, as clients of both dialects ask for it.
#pragma once

#include "server/models.hpp"
#include "server/route.hpp"

namespace caldera::server {

/// `models` must outlive the routes.
Routes model_routes(const Models& models);

}  // namespace caldera::server
