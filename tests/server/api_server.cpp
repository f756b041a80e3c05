// A server with a fake model, for clients that are programs of their own. Prints its address on one line and
// ends when its standard input does.
#include <cstdio>
#include <iostream>

#include "server/api_routes.hpp"
#include "server/fake_model.hpp"
#include "server/http_server.hpp"
#include "server/page_routes.hpp"

int main() {
  using namespace caldera::server;
  const FakeModel fake;
  FixedModels models(fake.served());
  Metrics metrics;
  RequestLog log(LogFormat::kNone);
  ServerOptions options;
  options.port = 0;
  HttpServer server(options, metrics, log);
  Routes routes = api_routes(models);
  for (Route& route : page_routes()) routes.push_back(std::move(route));
  // What the page asks for first; core_routes() would need the engine.
  routes.push_back({"GET", "/v1/models", [](const Request&, const std::shared_ptr<Responder>& responder) {
                      responder->send(200, R"({"object":"list","data":[{"id":"fake","object":"model"}]})");
                    }});
  server.start(std::move(routes));
  std::printf("%s\n", server.url().c_str());
  std::fflush(stdout);
  for (std::string line; std::getline(std::cin, line);) {
  }
  server.stop_accepting();
  server.stop(std::chrono::seconds(1));
}
