// What one client, and all of them together, may take of the server.
#pragma once

#include <chrono>
#include <cstddef>

namespace caldera::server {

struct Limits {
  size_t header_bytes = size_t{16} << 10;       ///< request line and headers
  size_t body_bytes = size_t{16} << 20;         ///< of one request
  size_t all_bodies_bytes = size_t{256} << 20;  ///< of all that are being received or read
  /// What waits for a client that does not read, of an event stream; beyond it the client is dropped.
  size_t unread_bytes = size_t{1} << 20;
  size_t connections = 512;
  size_t connections_per_address = 256;
  std::chrono::milliseconds header_time{10'000};  ///< from a request's first byte to the end of its headers
  std::chrono::milliseconds body_time{60'000};    ///< from there to the end of its body
  std::chrono::milliseconds idle_time{60'000};    ///< between requests
  std::chrono::milliseconds write_time{30'000};   ///< without a byte taken by a client that is sent some
  std::chrono::milliseconds request_time{3'600'000};  ///< from the end of the body to the end of the answer
  std::chrono::milliseconds ping_time{15'000};  ///< silence of an event stream before a comment is sent in it
};

}  // namespace caldera::server
