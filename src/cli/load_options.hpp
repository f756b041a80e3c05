// The options that say how a model is loaded, for every command that loads one.
#pragma once

#include <CLI/CLI.hpp>

#include "caldera/model.hpp"

namespace caldera::cli {

/// Declares --device, --memory-limit, --kv and its like, --load, --arithmetic, --tune, --submit-target,
/// --keep-kv and --ring; what is given lands in `options`, which must outlive `app`'s parsing.
void declare_load_options(CLI::App& app, LoadOptions& options);

}  // namespace caldera::cli
