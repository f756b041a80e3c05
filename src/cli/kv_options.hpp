// The options that say how keys and values are kept.
#pragma once

#include <CLI/CLI.hpp>

#include "caldera/kv_format.hpp"

namespace caldera::cli {

/// Declares --kv, --kv-keys and --kv-values; what is given lands in `formats`, which must outlive `app`'s
/// parsing.
void declare_kv_options(CLI::App& app, KvFormats& formats);

}  // namespace caldera::cli
