// Where the endpoints of a dialect are told to the front.
#pragma once

#include <string>
#include <vector>

#include "server/handler.hpp"

namespace caldera::server {

struct Route {
  std::string method;  ///< "GET" serves HEAD too
  std::string path;    ///< "/v1/models/{}": "{}" at the end matches the rest, which may hold slashes
  Handler handler;
};
using Routes = std::vector<Route>;

}  // namespace caldera::server
