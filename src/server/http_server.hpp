// The listener: accepts connections within limits, and ends them in order.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <string>

#include "server/metrics.hpp"
#include "server/request_log.hpp"
#include "server/route.hpp"
#include "server/server_options.hpp"

namespace caldera::server {

class HttpServer {
 public:
  /// `metrics` and `log` must outlive it. Errors: kUsage, as check() says.
  HttpServer(const ServerOptions& options, Metrics& metrics, RequestLog& log);
  /// Ends all connections at once.
  ~HttpServer();
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  /// Takes the address and the port, and refuses connections still. Errors: kUsage where they cannot be had.
  void bind();
  /// Listens, and answers from now on. Errors: as bind(), which it calls where that was not done.
  void start(Routes routes);
  uint16_t port() const;    ///< the one that is listened on
  std::string url() const;  ///< "http://127.0.0.1:8080"

  /// Set from stop_accepting() on.
  std::shared_ptr<const std::atomic<bool>> draining() const;

  /// Accepts no more connections, closes those that are idle, and lets every other end with its answer.
  void stop_accepting();
  /// After that: waits until all connections have ended or `patience` has passed, and ends the rest.
  void stop(std::chrono::milliseconds patience);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace caldera::server
