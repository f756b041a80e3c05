#include "server/router.hpp"

#include <fmt/format.h>

namespace caldera::server {
namespace {

/// Whether `path` is what `pattern` describes; parts that "{}" stands for are put into `parameters`.
bool matches(std::string_view pattern, std::string_view path, std::vector<std::string>& parameters) {
  parameters.clear();
  while (true) {
    const size_t hole = pattern.find("{}");
    if (hole == std::string_view::npos) return pattern == path;
    if (path.substr(0, hole) != pattern.substr(0, hole)) return false;
    path.remove_prefix(hole);
    pattern.remove_prefix(hole + 2);
    const std::string_view part = pattern.empty() ? path : path.substr(0, path.find('/'));
    if (part.empty()) return false;
    parameters.emplace_back(part);
    path.remove_prefix(part.size());
  }
}

}  // namespace

Router::Router(Routes routes) : routes_(std::move(routes)) {}

Router::Match Router::find(std::string_view method, std::string_view path) const {
  Match match;
  for (const Route& route : routes_) {
    if (!matches(route.path, path, match.parameters)) continue;
    if (route.method == method || (route.method == "GET" && method == "HEAD")) {
      match.route = &route;
      return match;
    }
    match.allow += fmt::format("{}{}", match.allow.empty() ? "" : ", ", route.method);
    if (route.method == "GET") match.allow += ", HEAD";
  }
  match.parameters.clear();
  if (match.allow.empty()) {
    match.error = {
        .status = 404,
        .message = fmt::format("there is no {}; docs/server.md lists what there is", path.substr(0, 256)),
        .code = "not_found"};
  } else {
    match.error = {.status = 405,
                   .message = fmt::format("{} does not take {}, but {}", path.substr(0, 256),
                                          method.substr(0, 32), match.allow),
                   .code = "method_not_allowed"};
  }
  return match;
}

}  // namespace caldera::server
