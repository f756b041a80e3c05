// caldera serve MODEL...
#include <poll.h>

#include <optional>

#include "cli/command.hpp"
#include "cli/config_file.hpp"
#include "cli/file_loader.hpp"
#include "cli/interrupt.hpp"
#include "cli/machine_options.hpp"
#include "cli/output.hpp"
#include "cli/serve_options.hpp"
#include "server/api_routes.hpp"
#include "server/core_routes.hpp"
#include "server/http_server.hpp"
#include "server/machine_report.hpp"
#include "server/model_shelf.hpp"
#include "server/ready_notification.hpp"

namespace caldera::cli {
namespace {

constexpr std::chrono::milliseconds kLastBytes{5000};  // for answers that are whole, to reach their clients

void wait_for_signal() {
  pollfd pending{interrupt::descriptor(), POLLIN, 0};
  while (!interrupt::pending()) poll(&pending, 1, -1);
}

int serve(CLI::App& app, ServeOptions& options, const std::optional<std::string>& config) {
  if (config) apply_config_file(app, *config);
  finish_serve_options(options);
  interrupt::install_for_service();

  server::RequestLog log(options.log, options.log_prompts);
  server::Metrics metrics;
  std::optional<server::ModelShelf> models;  // handlers use them to the end
  std::optional<server::MachineReport> machine;
  server::HttpServer http(options.server, metrics, log);
  http.bind();  // a port that is taken is known before a model was loaded for nothing
  const auto cooling = keep_cool(options.machine, options.load);
  machine.emplace(sensors_of_choice(options.load.device, options.machine), cooling);
  auto loader = std::make_unique<FileLoader>(options, [&log](const std::string& line) { log.note(line); });
  if (!options.models.empty()) {
    server::notify_manager(fmt::format("STATUS=loading {}", escape(loader->known().front().name)));
  }
  std::vector<server::ServedModel> first = loader->load_first();
  models.emplace(std::move(loader), std::move(first));
  server::add_model_metrics(metrics, *models);
  metrics.add_source([&machine](server::MetricsText& text) { machine->write(text); });
  server::Routes routes = server::core_routes(*models, metrics, CALDERA_VERSION, http.draining(), &*machine);
  server::Routes endpoints = server::api_routes(*models);
  for (server::Route& route : endpoints) routes.push_back(std::move(route));
  http.start(std::move(routes));
  write_out(fmt::format("listening on {}\n", http.url()));
  server::notify_manager(fmt::format("READY=1\nSTATUS=listening on {}", http.url()));

  wait_for_signal();
  server::notify_manager("STOPPING=1");
  log.note("stopping: running answers are finished, a second signal ends them");
  http.stop_accepting();
  models->drain(options.server.drain_time);
  http.stop(kLastBytes);
  return 0;
}

}  // namespace

void declare_serve(CLI::App& app, Action& action) {
  auto options = std::make_shared<ServeOptions>();
  auto config = std::make_shared<std::optional<std::string>>();
  declare_serve_options(app, *options);
  app.add_option("--config", *config, "A file of these options, a line each: 'port = 8080'");
  app.callback([options, config, &app, &action] {
    action = [options, config, &app] { return serve(app, *options, *config); };
  });
}

}  // namespace caldera::cli
