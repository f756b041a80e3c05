// What is asked of a request before its body is read: where it is for, whence it comes, and its key.
#pragma once

#include <optional>
#include <string>

#include "server/api_error.hpp"
#include "server/server_options.hpp"

namespace caldera::server {

class Gate {
 public:
  explicit Gate(const ServerOptions& options);

  /// Sets `request.client`, or says why the request is refused: 400, 401, 403, 421.
  std::optional<ApiError> check(Request& request) const;

  /// The headers of every answer to `request` that let pages of other origins read it; mostly none.
  Headers cors_headers(const Request& request) const;
  /// Whether `request` is a browser's question what a page of another origin may do, and its answer's
  /// headers.
  std::optional<Headers> preflight(const Request& request) const;

 private:
  bool own_host(const std::string& host) const;
  bool allowed_origin(const std::string& origin) const;

  std::vector<ApiKey> keys_;
  std::vector<std::string> origins_;
  std::vector<std::string> hosts_;
  bool any_host_;
  bool any_origin_;
};

}  // namespace caldera::server
