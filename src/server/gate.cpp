#include "server/gate.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "server/url.hpp"

namespace caldera::server {
namespace {

constexpr const char* kMethods = "GET, POST, DELETE, OPTIONS";
constexpr const char* kMaxAge = "600";

/// The page itself, and what load balancers ask, tell nothing and cost nothing.
bool needs_key(const Request& request) {
  const bool reads = request.method == "GET" || request.method == "HEAD";
  return !reads || request.path == "/metrics" || request.path.starts_with("/v1/");
}

}  // namespace

Gate::Gate(const ServerOptions& options)
    : keys_(options.keys),
      origins_(options.cors_origins),
      // With a key, or where everybody may ask, a page that calls the address by a name of its own gains
      // nothing.
      any_host_(!options.keys.empty() || options.open_without_key),
      any_origin_(std::count(options.cors_origins.begin(), options.cors_origins.end(), "*") > 0) {
  hosts_ = {"localhost", "127.0.0.1", "::1", host_of(options.address)};
  if (options.address.find(':') != std::string::npos) hosts_.back() = lower(options.address);
  for (const std::string& host : options.hosts) hosts_.push_back(host_of(host));
}

bool Gate::own_host(const std::string& host) const {
  return any_host_ || std::find(hosts_.begin(), hosts_.end(), host) != hosts_.end();
}

bool Gate::allowed_origin(const std::string& origin) const {
  return any_origin_ || std::find(origins_.begin(), origins_.end(), origin) != origins_.end();
}

std::optional<ApiError> Gate::check(Request& request) const {
  const std::string* host = request.header("host");
  if (host != nullptr && !own_host(host_of(*host))) {
    return ApiError{.status = 421,
                    .message = fmt::format("this server does not answer for '{}': name the host with "
                                           "--allow-host, or set an API key",
                                           host->substr(0, 256))};
  }
  const std::string* origin = request.header("origin");
  // "null" is what browsers say for pages without an origin: files, sandboxed frames.
  const bool same = origin != nullptr && host != nullptr && origin->find("://") != std::string::npos &&
                    origin->substr(origin->find("://") + 3) == *host;
  if (origin != nullptr && !same && !allowed_origin(*origin)) {
    return ApiError{.status = 403,
                    .message = fmt::format("pages of '{}' may not use this server: allow them with "
                                           "--cors-origin",
                                           origin->substr(0, 256))};
  }
  request.client = request.remote;
  if (keys_.empty()) return std::nullopt;
  const ApiKey* key = find_key(keys_, request.headers);
  if (key != nullptr) {
    request.client = key->client;
  } else if (needs_key(request)) {
    return ApiError{
        .status = 401,
        .message = "no valid API key: send one as 'Authorization: Bearer KEY' or 'x-api-key: KEY'",
        .code = "invalid_api_key"};
  }
  return std::nullopt;
}

Headers Gate::cors_headers(const Request& request) const {
  if (origins_.empty()) return {};
  const std::string* origin = request.header("origin");
  if (origin == nullptr || !allowed_origin(*origin)) return {{"Vary", "Origin"}};
  return {{"Access-Control-Allow-Origin", any_origin_ ? "*" : *origin},
          {"Access-Control-Expose-Headers", "x-request-id, retry-after"},
          {"Vary", "Origin"}};
}

std::optional<Headers> Gate::preflight(const Request& request) const {
  const std::string* origin = request.header("origin");
  if (request.method != "OPTIONS" || origin == nullptr || !allowed_origin(*origin) ||
      request.header("access-control-request-method") == nullptr) {
    return std::nullopt;
  }
  const std::string* asked = request.header("access-control-request-headers");
  Headers headers{{"Access-Control-Allow-Methods", kMethods}, {"Access-Control-Max-Age", kMaxAge}};
  if (asked != nullptr) headers.push_back({"Access-Control-Allow-Headers", *asked});
  return headers;
}

}  // namespace caldera::server
