#include "cli/serve_options.hpp"

#include <fmt/format.h>

#include <map>

#include "caldera/error.hpp"
#include "cli/context_options.hpp"
#include "cli/load_options.hpp"
#include "cli/parse.hpp"
#include "plan/limits.hpp"

namespace caldera::cli {
namespace {

constexpr uint64_t kMostSeconds = 7 * uint64_t{86'400};
constexpr uint64_t kMostConnections = 100'000;
constexpr uint64_t kMostQueue = 100'000;

/// An option that takes a number from `least` to `most`, and keeps it in `value`.
template <typename Value>
void add_number(CLI::App& app, const std::string& name, Value& value, uint64_t least, uint64_t most,
                const std::string& help) {
  app.add_option_function<std::string>(
      name,
      [&value, name, least, most](const std::string& text) {
        value = static_cast<Value>(parse_integer(name, text, least, most));
      },
      help);
}

void add_seconds(CLI::App& app, const std::string& name, std::chrono::milliseconds& value,
                 const std::string& help) {
  app.add_option_function<std::string>(
      name,
      [&value, name](const std::string& text) {
        const float seconds = parse_number(name, text, 0.001F, static_cast<float>(kMostSeconds));
        value = std::chrono::milliseconds(static_cast<int64_t>(static_cast<double>(seconds) * 1000));
      },
      help);
}

void add_size(CLI::App& app, const std::string& name, size_t& value, size_t most, const std::string& help) {
  app.add_option_function<std::string>(
      name,
      [&value, name, most](const std::string& text) {
        value = parse_size(name, text);
        if (value > most) {
          throw Error(ErrorKind::kUsage, fmt::format("{}: {} is more than {} bytes", name, text, most));
        }
      },
      help);
}

void declare_access(CLI::App& app, ServeOptions& options) {
  server::ServerOptions& server = options.server;
  app.add_option("--host", server.address,
                 "The address to listen on (default: 127.0.0.1); any that others reach needs an API key");
  add_number(app, "--port", server.port, 0, 65535, "The port; 0: any free one (default: 8080)");
  app.add_option(
         "--api-key", options.keys,
         "A key that clients must send; may be repeated. In $CALDERA_API_KEY or a file others on this "
         "machine do not see it")
      ->allow_extra_args(false)
      ->envname("CALDERA_API_KEY");
  app.add_option("--api-key-file", options.key_file, "A file of keys, a line each: 'KEY' or 'NAME KEY'");
  app.add_flag("--no-api-key-on-open-network", server.open_without_key,
               "Listen on an address that others reach though everybody there may use the model");
  app.add_option("--cors-origin", server.cors_origins,
                 "An origin (https://chat.example) whose pages may ask; may be repeated; '*': all")
      ->allow_extra_args(false);
  app.add_option("--allow-host", server.hosts,
                 "A name that requests may be for, such as a proxy's; may be repeated. Without an API key "
                 "those for other names than localhost are refused")
      ->allow_extra_args(false);
}

void declare_limits(CLI::App& app, ServeOptions& options) {
  server::Limits& limits = options.server.limits;
  add_size(app, "--max-body", limits.body_bytes, size_t{1} << 30,
           "Most bytes of a request's body (default: 16MiB)");
  add_size(app, "--max-header", limits.header_bytes, size_t{1} << 20,
           "Most bytes of a request's headers (default: 16KiB)");
  add_number(app, "--max-connections", limits.connections, 1, kMostConnections,
             "Most connections (default: 512)");
  add_number(app, "--max-connections-per-address", limits.connections_per_address, 1, kMostConnections,
             "Most connections from one address (default: 256)");
  add_seconds(app, "--header-timeout", limits.header_time, "Seconds for a request's headers (default: 10)");
  add_seconds(app, "--body-timeout", limits.body_time, "Seconds for a request's body (default: 60)");
  add_seconds(app, "--idle-timeout", limits.idle_time, "Seconds between two requests (default: 60)");
  add_seconds(app, "--request-timeout", limits.request_time, "Seconds for a whole answer (default: 3600)");
  add_seconds(app, "--drain-timeout", options.server.drain_time,
              "Seconds that running answers get at the end (default: 30)");
  add_number(app, "--queue", options.service.queue, 0, kMostQueue, "Most requests that wait (default: 256)");
  add_number(app, "--client-queue", options.service.client_queue, 1, kMostQueue,
             "Most requests of one client that wait (default: 64)");
}

}  // namespace

void declare_serve_options(CLI::App& app, ServeOptions& options) {
  app.add_option(
         "MODEL", options.models,
         "GGUF files, or models that were pulled: the first is loaded at once and answers requests that "
         "name none, the others are loaded when they are asked for (default: all that were pulled)")
      ->option_text("[MODEL...]");
  app.add_option("--name", options.names,
                 "What clients call the model (default: its file's name); again for the second, and so on")
      ->allow_extra_args(false);
  options.load.sequences = 0;  // until it is known what the model leaves of memory
  add_number(app, "--parallel", options.load.sequences, 1, plan::kMaxSequences,
             "Most answers at once, up to 64 (default: 16, fewer where memory is short, 8 on a software "
             "device); memory for KV is shared between them");
  declare_access(app, options);
  declare_limits(app, options);
  static const std::map<std::string, Pooling> kPoolings = {
      {"mean", Pooling::kMean}, {"cls", Pooling::kFirst}, {"last", Pooling::kLast}};
  app.add_option_function<std::string>(
         "--pooling", [&options](const std::string& text) { options.load.pooling = kPoolings.at(text); },
         "Whose hidden state an embedding is: all tokens' mean, the first's (cls) or the last's "
         "(default: as the model's file says, else mean)")
      ->check(CLI::IsMember({"mean", "cls", "last"}));
  static const std::map<std::string, server::LogFormat> kLogs = {{"text", server::LogFormat::kText},
                                                                 {"json", server::LogFormat::kJson},
                                                                 {"none", server::LogFormat::kNone}};
  app.add_option_function<std::string>(
         "--log", [&options](const std::string& text) { options.log = kLogs.at(text); },
         "A line on standard error for each request: text (the default), json, or none")
      ->check(CLI::IsMember({"text", "json", "none"}));
  app.add_flag("--log-prompts", options.log_prompts, "Log the bodies of requests too: what people wrote");
  declare_context_options(app, options.load);
  declare_load_options(app, options.load);
  declare_machine_options(app, options.machine);
  app.add_flag("-q,--quiet", options.quiet, "Print nothing of the model and the device");
  app.add_flag("--validation", options.load.validation,
               "Switch the Khronos validation layer on (it must be installed)");
}

void finish_serve_options(ServeOptions& options) {
  if (options.names.size() > options.models.size()) {
    throw Error(ErrorKind::kUsage, fmt::format("--name is given {} times for {} models", options.names.size(),
                                               options.models.size()));
  }
  if (options.key_file) options.server.keys = server::read_keys(*options.key_file);
  for (std::string& key : options.keys) {
    options.server.keys.push_back(
        server::checked_key(fmt::format("key-{}", options.server.keys.size() + 1), std::move(key)));
  }
  server::check(options.server);
}

}  // namespace caldera::cli
