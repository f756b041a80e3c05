// What a server was asked for.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "server/api_key.hpp"
#include "server/limits.hpp"

namespace caldera::server {

struct ServerOptions {
  std::string address = "127.0.0.1";  ///< IPv4, IPv6, or "localhost"
  uint16_t port = 8080;               ///< 0: any free one
  std::vector<ApiKey> keys;           ///< empty: nobody is asked for one
  bool open_without_key = false;  ///< an address that others reach, and no key: asked for in so many words
  /// Origins whose pages may ask (https://fetch.spec.whatwg.org/#http-cors-protocol); "*": all.
  std::vector<std::string> cors_origins;
  /// Names that requests may be for, beyond those of the machine itself. Looked at only where no key is asked
  /// for: it is what keeps web pages out that got a name of their own to point at this address.
  std::vector<std::string> hosts;
  Limits limits;
  std::chrono::milliseconds drain_time{30'000};  ///< for running answers, at the end
  unsigned io_threads = 2;
  unsigned handler_threads = 2;
};

bool is_loopback(const std::string& address);

/// Errors: kUsage: not an address, or one that others reach while there is neither a key nor
/// `open_without_key`.
void check(const ServerOptions& options);

}  // namespace caldera::server
