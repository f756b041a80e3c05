// Requests out of bytes, with limits. The one place that knows Boost.Beast.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>

#include "server/api_error.hpp"
#include "server/limits.hpp"

namespace caldera::server {

class RequestParser {
 public:
  explicit RequestParser(const Limits& limits);
  ~RequestParser();
  RequestParser(RequestParser&&) noexcept;
  RequestParser& operator=(RequestParser&&) noexcept;

  /// Reads on in `bytes`: up to the end of the headers, and called again then up to the end of the body.
  /// Returns how many were used; those that were not must come again, with more behind them. After an error
  /// nothing more is read.
  size_t read(std::string_view bytes);

  bool has_headers() const;
  bool is_done() const;
  /// 400, 413, 431, 501 or 505: what is wrong with the request.
  const std::optional<ApiError>& error() const;

  /// From has_headers() on; its body when it is done. May be moved from then.
  Request& request();
  std::optional<uint64_t> content_length() const;
  bool keep_alive() const;
  bool http_1_0() const;
  bool expects_continue() const;  ///< the client waits for "100 Continue" before it sends the body

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace caldera::server
