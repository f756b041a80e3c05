// What `caldera serve` was asked for.
#pragma once

#include <CLI/CLI.hpp>
#include <optional>
#include <string>
#include <vector>

#include "caldera/model.hpp"
#include "caldera/service.hpp"
#include "cli/machine_options.hpp"
#include "server/request_log.hpp"
#include "server/server_options.hpp"

namespace caldera::cli {

struct ServeOptions {
  std::vector<std::string> models;  ///< files or names; none: the folder of models
  std::vector<std::string> names;   ///< of the first, the second...; the others go by their file's
  LoadOptions load;
  MachineOptions machine;
  ServiceOptions service;
  server::ServerOptions server;
  server::LogFormat log = server::LogFormat::kText;
  bool log_prompts = false;
  bool quiet = false;
  std::vector<std::string> keys;  ///< as given; in `server` once they are checked
  std::optional<std::string> key_file;
};

/// Declares them on `app`; `options` must outlive its parsing.
void declare_serve_options(CLI::App& app, ServeOptions& options);

/// Reads the keys, and checks what goes together. Errors: kUsage, kFile.
void finish_serve_options(ServeOptions& options);

}  // namespace caldera::cli
