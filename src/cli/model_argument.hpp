// MODEL on a command line: a file, or the name of a model in the folder of models.
#pragma once

#include <CLI/CLI.hpp>
#include <string>

namespace caldera::cli {

/// Declares MODEL; what it means hub::find_model() says.
inline CLI::Option* add_model_argument(CLI::App& app, std::string& model) {
  return app.add_option(
      "MODEL", model,
      "A GGUF file (of a split set: the first), or a model that was pulled: OWNER/REPO:FORMAT");
}

}  // namespace caldera::cli
