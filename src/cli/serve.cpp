// caldera serve MODEL...
#include <poll.h>

#include <optional>
#include <set>

#include "cli/command.hpp"
#include "cli/config_file.hpp"
#include "cli/interrupt.hpp"
#include "cli/machine_options.hpp"
#include "cli/output.hpp"
#include "cli/run_options.hpp"
#include "cli/serve_options.hpp"
#include "cli/usual_sequences.hpp"
#include "gguf/split_name.hpp"
#include "server/api_routes.hpp"
#include "server/core_routes.hpp"
#include "server/http_server.hpp"
#include "server/machine_report.hpp"
#include "server/models.hpp"
#include "server/ready_notification.hpp"

namespace caldera::cli {
namespace {

constexpr std::chrono::milliseconds kLastBytes{5000};  // for answers that are whole, to reach their clients

/// "SmolLM2-135M-Instruct-Q4_1" of its file, or of the first of its files.
std::string served_name(const std::filesystem::path& path) {
  const std::optional<gguf::SplitName> split = gguf::parse_split_name(path);
  return split ? split->model.filename().string() : path.stem().string();
}

std::vector<server::ServedModel> load_models(const ServeOptions& options) {
  std::vector<server::ServedModel> served;
  std::set<std::string> names;
  for (size_t i = 0; i < options.models.size(); ++i) {
    const std::string name = i < options.names.size() ? options.names[i] : served_name(options.models[i]);
    if (!names.insert(name).second) {
      throw Error(ErrorKind::kUsage, fmt::format("two models are called '{}': give each a --name", name));
    }
    server::notify_manager(fmt::format("STATUS=loading {}", escape(name)));
    RunOptions run;
    run.model = options.models[i];
    run.load = options.load;
    if (run.load.sequences == 0) run.load.sequences = usual_sequences(options.models[i], options.load);
    run.quiet = options.quiet;
    std::shared_ptr<Model> model = load_model(run);
    std::unique_ptr<Service> service = make_service(model, options.service);
    served.push_back({.name = name, .model = std::move(model), .service = std::move(service)});
  }
  return served;
}

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
  std::optional<server::FixedModels> models;  // handlers use them to the end
  std::optional<server::MachineReport> machine;
  server::HttpServer http(options.server, metrics, log);
  http.bind();  // a port that is taken is known before a model was loaded for nothing
  const auto cooling = keep_cool(options.machine, options.load);
  machine.emplace(sensors_of_choice(options.load.device, options.machine), cooling);
  models.emplace(load_models(options));
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
