// The figures as text.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <span>
#include <string>
#include <vector>

#include "engine_kernels.hpp"
#include "matrix_prediction.hpp"
#include "prediction.hpp"

namespace caldera::isa {

enum class TextFormat { kTable, kMarkdown };

/// Registers, occupancy and code of every pipeline.
std::string pipelines_text(std::span<const Kernel> kernels, TextFormat format);
/// The hot loops of kernels that stream weights.
std::string loops_text(std::span<const Kernel> kernels, TextFormat format);
/// What each format allows on `machine`.
std::string formats_text(const Machine& machine, std::span<const FormatSpeed> speeds, TextFormat format);
/// What models should reach on `machine`.
std::string tokens_text(const Machine& machine, std::span<const TokenSpeed> tokens, TextFormat format);

/// The loops of kernels on matrix units, and the speed that they allow.
std::string matrices_text(const Machine& machine, std::span<const Kernel> kernels, TextFormat format);
/// What models should reach on `machine` when they read prompts.
std::string prompts_text(const Machine& machine, std::span<const PromptSpeed> prompts, TextFormat format);

nlohmann::json to_json(const Kernel& kernel);
nlohmann::json to_json(const FormatSpeed& speed);
nlohmann::json to_json(const TokenSpeed& token);
nlohmann::json to_json(const PromptSpeed& prompt);

}  // namespace caldera::isa
