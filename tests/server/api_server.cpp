// A server with fake models, for clients that are programs of their own. Prints its address on one line and
// ends when its standard input does. With an argument, clients must send that as their key.
#include <cstdio>
#include <iostream>

#include "server/api_routes.hpp"
#include "server/fake_model.hpp"
#include "server/http_server.hpp"
#include "server/model_routes.hpp"
#include "server/page_routes.hpp"

int main(int count, char** arguments) {
  using namespace caldera::server;
  const FakeModel fake;
  std::vector<ServedModel> served = fake.served();
  // Their templates write calls as Llama 3's does, and know nothing of tools.
  served.push_back({"llama", nullptr, fake.service, std::make_shared<FakeLanguage>("{{ tools }}")});
  served.push_back({"plain", nullptr, fake.service, std::make_shared<FakeLanguage>("{{ messages }}")});
  FixedModels models(std::move(served));
  Metrics metrics;
  RequestLog log(LogFormat::kNone);
  ServerOptions options;
  options.port = 0;
  if (count > 1) options.keys = {{"client", arguments[1]}};
  HttpServer server(options, metrics, log);
  Routes routes = api_routes(models);
  for (Route& route : page_routes()) routes.push_back(std::move(route));
  for (Route& route : model_routes(models)) routes.push_back(std::move(route));
  server.start(std::move(routes));
  std::printf("%s\n", server.url().c_str());
  std::fflush(stdout);
  for (std::string line; std::getline(std::cin, line);) {
  }
  server.stop_accepting();
  server.stop(std::chrono::seconds(1));
}
