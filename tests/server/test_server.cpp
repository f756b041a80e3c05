#include "server/test_server.hpp"

#include <stdexcept>
#include <thread>

#include "caldera/error.hpp"

namespace caldera::test {
namespace {

using server::Request;
using server::Responder;
using Shared = std::shared_ptr<Responder>;

server::ServerOptions on_free_port(server::ServerOptions options) {
  options.port = 0;
  return options;
}

void fail(const Request& request, const Shared&) {
  const std::string& what = request.parameters.at(0);
  if (what == "usage") throw Error(ErrorKind::kUsage, "impossible");
  if (what == "context") throw Error(ErrorKind::kContext, "too long");
  if (what == "memory") throw Error(ErrorKind::kMemory, "refused");
  throw std::runtime_error("unforeseen");
}

}  // namespace

bool eventually(const std::function<bool()>& holds, milliseconds limit) {
  const auto end = std::chrono::steady_clock::now() + limit;
  while (!holds()) {
    if (std::chrono::steady_clock::now() > end) return false;
    std::this_thread::sleep_for(milliseconds(2));
  }
  return true;
}

TestServer::TestServer(server::ServerOptions options)
    : server(on_free_port(std::move(options)), metrics, log) {
  server.start(routes());
}

server::Routes TestServer::routes() {
  return {
      {"GET", "/hello", [](const Request&, const Shared& to) { to->send(200, "hello", {}, "text/plain"); }},
      {"POST", "/echo",
       [](Request request, const Shared& to) {
         to->send(200, std::move(request.body), {{"x-client", request.client}, {"x-path", request.path}});
       }},
      {"POST", "/echo/{}",
       [](const Request& request, const Shared& to) { to->send(200, request.parameters.at(0)); }},
      {"POST", "/v1/messages", fail},
      {"GET", "/throw/{}", fail},
      {"GET", "/forget", [](const Request&, const Shared&) {}},
      {"GET", "/hold",
       [this](const Request&, const Shared& to) {
         const std::lock_guard lock(mutex_);
         held_.push_back(to);
       }},
  };
}

std::shared_ptr<Responder> TestServer::take_held() {
  std::shared_ptr<Responder> held;
  eventually([&] {
    const std::lock_guard lock(mutex_);
    if (held_.empty()) return false;
    held = held_.front();
    held_.erase(held_.begin());
    return true;
  });
  return held;
}

}  // namespace caldera::test
