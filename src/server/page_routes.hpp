// The page: what a browser asks for before it talks to the endpoints.
#pragma once

#include "server/route.hpp"

namespace caldera::server {

/// "/" and every file that it loads.
Routes page_routes();

}  // namespace caldera::server
