// The parts of a request's target, and names of headers.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace caldera::server {

/// Whether two names of headers are the same: ASCII letters of either case.
bool same_header(std::string_view one, std::string_view other);

/// `text` in ASCII's small letters.
std::string lower(std::string_view text);

/// `text` with its %XX as bytes; nothing where one is not two hexadecimal digits.
std::optional<std::string> percent_decode(std::string_view text);

struct Target {
  std::string path;   ///< percent-decoded
  std::string query;  ///< as it came
};

/// A request's target in origin form ("/v1/models?limit=2") or absolute form ("http://host/v1/models"), as
/// RFC 9112 section 3.2 has them. Nothing where it is neither, or its path holds control characters.
std::optional<Target> parse_target(std::string_view target);

/// Host of a Host header or an origin, small letters, without port: "localhost" of "localhost:8080", "::1" of
/// "[::1]:80". Empty where it is none.
std::string host_of(std::string_view authority);

}  // namespace caldera::server
