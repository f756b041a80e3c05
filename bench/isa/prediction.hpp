// How fast a machine could decode, by its memory and by its arithmetic, from the compiled kernels.
#pragma once

#include <map>
#include <span>
#include <string>
#include <vector>

#include "engine_kernels.hpp"
#include "plan/model_shape.hpp"

namespace caldera::isa {

/// What limits decoding on a GPU with AMD's RDNA 3 compute units.
struct Machine {
  std::string name;
  double compute_units = 0;
  double clock = 0;      ///< Hz
  double bandwidth = 0;  ///< bytes/s that a plain read reaches
  /// Lanes that can do one thing each second: two SIMDs of 32 lanes a compute unit. Dual issue is not
  /// counted.
  double lane_rate() const { return compute_units * 2 * 32 * clock; }
  double simds() const { return compute_units * 2; }
};

/// 40 compute units at 2.9 GHz, and 215 GB/s as measured of the 256 on paper.
Machine strix_halo();

/// What a weight costs in the hot loop of a kernel.
struct FormatSpeed {
  quant::Format format{};
  std::string kernel;
  uint32_t columns = 1;
  double bytes = 0;          ///< of memory a weight, in the resident layout
  double instructions = 0;   ///< of vector arithmetic a weight
  double cycles = 0;         ///< of a lane a weight
  double by_memory = 0;      ///< weights/s
  double by_arithmetic = 0;  ///< weights/s
  bool memory_limits() const { return by_memory <= by_arithmetic; }
};

/// The speed of each format with the kernel that decodes `columns` tokens at once: of int8 vectors, or of f32
/// where the weights are plain numbers.
std::vector<FormatSpeed> format_speeds(const Machine& machine, std::span<const Kernel> kernels,
                                       uint32_t columns);

/// Tokens/s of one sequence with an empty context, boundaries between dispatches not counted.
struct TokenSpeed {
  std::string shape;
  double bytes = 0;      ///< of weights a token
  double by_memory = 0;  ///< memory alone
  double predicted = 0;  ///< each matrix at its slower limit
};

/// `shape` dense; its formats must all be among `speeds`, or count as limited by memory.
TokenSpeed token_speed(const Machine& machine, std::span<const FormatSpeed> speeds,
                       const plan::ModelShape& shape);

}  // namespace caldera::isa
