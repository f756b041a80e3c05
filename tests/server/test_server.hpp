// A server on a port of its own, with handlers that show what the front does.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "server/http_client.hpp"
#include "server/http_server.hpp"

namespace caldera::test {

/// Waits until `holds`, a few seconds at most.
bool eventually(const std::function<bool()>& holds, milliseconds limit = milliseconds(5000));

/// GET /hello        "hello"
/// POST /echo        the body, and who asked in the headers x-client and x-path
/// POST /echo/{}     the parameter
/// GET /throw/{}     throws: usage, context, memory, anything else
/// GET /forget       lets go of its responder
/// GET /hold         keeps its responder in `held`
class TestServer {
 public:
  explicit TestServer(server::ServerOptions options = {});

  uint16_t port() const { return server.port(); }
  HttpClient client() const { return HttpClient(server.port()); }
  /// The responder of the oldest /hold that was not taken; waits for it.
  std::shared_ptr<server::Responder> take_held();

  server::Metrics metrics;
  server::RequestLog log{server::LogFormat::kNone};
  server::HttpServer server;

 private:
  server::Routes routes();

  std::mutex mutex_;
  std::vector<std::shared_ptr<server::Responder>> held_;
};

}  // namespace caldera::test
