// The options that say how long a context may be, and what there is to say about it.
#pragma once

#include <CLI/CLI.hpp>
#include <string>

#include "caldera/model.hpp"

namespace caldera::cli {

/// Declares --context, --rope-scaling and --rope-factor; what is given lands in `options`, which must outlive
/// `app`'s parsing.
void declare_context_options(CLI::App& app, LoadOptions& options);

/// One line when the context is longer than the model's positions reach, else nothing.
std::string context_warning(const ModelInfo& info, uint32_t context);

/// Why a prompt of `tokens` does not fit the context of `model`, by how much, and what would hold it as far
/// as the planner knows: `path` and `options` are those that the model was loaded with.
std::string too_long(size_t tokens, const Model& model, const std::string& path, const LoadOptions& options);

}  // namespace caldera::cli
