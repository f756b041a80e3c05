// How fast a machine could read prompts, from the compiled kernels of its matrix units.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "assembly.hpp"
#include "engine_kernels.hpp"
#include "prediction.hpp"

namespace caldera::isa {

/// What a turn of the loop around matrix instructions takes of a SIMD. Subgroups of the same SIMD take turns,
/// so what one waits for does not count as long as there are others; the busier of the two units limits.
struct MatrixLoop {
  InstructionMix mix;
  double flop = 0;           ///< of a subgroup: 2 * 16 * 16 * 16 a matrix instruction
  double vector_cycles = 0;  ///< of the vector unit, matrix instructions included
  double shared_cycles = 0;  ///< of shared memory, which brings a compute unit's two SIMDs 128 bytes a cycle

  /// FLOP/s of all SIMDs.
  double speed(const Machine& machine) const;
  /// The same if matrix instructions were all there is.
  static double limit(const Machine& machine);
};

/// Whether a kernel was written for matrix units, whatever its code is.
bool uses_matrix_units(const Kernel& kernel);

/// Of the smallest loop with the most matrix instructions; nothing where there are none.
std::optional<MatrixLoop> matrix_loop(const CompiledPipeline& compiled);

/// Which products a prompt of many tokens is read with: weights of this format, resident, on matrix units.
struct PromptFormat {
  quant::Format format{};
  std::string kernel;
  double speed = 0;  ///< FLOP/s
};
std::vector<PromptFormat> prompt_formats(const Machine& machine, std::span<const Kernel> kernels);

/// Tokens/s of reading a prompt into an empty context, attention and boundaries between dispatches not
/// counted.
struct PromptSpeed {
  std::string shape;
  double parameters = 0;
  double predicted = 0;  ///< each matrix at its format's speed, or at that of its bytes
  double teraflops = 0;  ///< 10^12 FLOP/s that this is
};

/// `shape` dense, read `tokens` at a time; its formats must all be among `formats`.
PromptSpeed prompt_speed(const Machine& machine, std::span<const PromptFormat> formats,
                         const plan::ModelShape& shape, uint32_t tokens);

/// The same for a dense model of the same mixture of formats with as many parameters.
PromptSpeed scaled(PromptSpeed prompt, std::string shape, double parameters);

}  // namespace caldera::isa
