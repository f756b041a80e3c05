// A server with a fake model, for clients that are programs of their own. Prints its address on one line and
// ends when its standard input does.
#include <cstdio>
#include <iostream>

#include "server/api_routes.hpp"
#include "server/fake_model.hpp"
#include "server/http_server.hpp"

int main() {
  using namespace caldera::server;
  const FakeModel fake;
  FixedModels models(fake.served());
  Metrics metrics;
  RequestLog log(LogFormat::kNone);
  ServerOptions options;
  options.port = 0;
  HttpServer server(options, metrics, log);
  server.start(api_routes(models));
  std::printf("%s\n", server.url().c_str());
  std::fflush(stdout);
  for (std::string line; std::getline(std::cin, line);) {
  }
  server.stop_accepting();
  server.stop(std::chrono::seconds(1));
}
