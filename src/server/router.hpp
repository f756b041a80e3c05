// From method and path to the handler.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "server/api_error.hpp"
#include "server/route.hpp"

namespace caldera::server {

class Router {
 public:
  explicit Router(Routes routes);

  struct Match {
    const Route* route = nullptr;         ///< null: see `error`
    std::vector<std::string> parameters;  ///< what "{}" stood for
    ApiError error{};                     ///< 404, or 405 with `allow`
    std::string allow;                    ///< "GET, HEAD"
  };
  Match find(std::string_view method, std::string_view path) const;

 private:
  Routes routes_;
};

}  // namespace caldera::server
