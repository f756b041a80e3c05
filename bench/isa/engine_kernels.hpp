// Every kernel that the engine dispatches, with the constants that it chooses on a device.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "compiled_pipeline.hpp"
#include "kernels/kernels.hpp"

namespace caldera::isa {

/// One operation as the engine records it.
struct Case {
  std::string what;                     ///< "product of 1 int8 vector, store"
  bool decoding = false;                ///< part of a step that makes tokens; else of reading a prompt
  bool main = true;                     ///< false: differs little from one that is
  uint32_t columns = 1;                 ///< tokens at once
  std::optional<quant::Format> format;  ///< of its weights
  kernels::Input input{};               ///< of a product
  std::function<void(kernels::Kernels&, vulkan::Recording&)> record;
};

/// Operations of the shapes of Llama 8B, 70B, 405B and 1B and of Qwen3, in every format.
std::vector<Case> engine_cases();

/// A case with one of the pipelines that it dispatches.
struct Kernel {
  Case of;
  CompiledPipeline compiled;
  /// Weights that a lane takes in one turn of the hot loop; 0 where the kernel is none that streams weights.
  double weights_a_turn = 0;
};

/// Products of int8 vectors with every number of rows and loads that a tuner may choose.
std::vector<Case> choice_cases();

/// Bytes of memory a weight takes in the resident layout.
double bytes_a_weight(quant::Format format);

/// Compiles every pipeline of the cases, each once. `device` must be one that only compiles.
std::vector<Kernel> compile(vulkan::Device& device, const std::vector<Case>& cases);

}  // namespace caldera::isa
