#include "prediction.hpp"

#include <algorithm>

#include "assembly.hpp"
#include "plan/footprint.hpp"
#include "quant/resident.hpp"

namespace caldera::isa {

Machine strix_halo() {
  return {"Strix Halo", 40, 2.9e9, 215e9};
}

std::vector<FormatSpeed> format_speeds(const Machine& machine, std::span<const Kernel> kernels,
                                       uint32_t columns) {
  std::vector<FormatSpeed> speeds;
  for (const Kernel& kernel : kernels) {
    const Case& of = kernel.of;
    if (kernel.weights_a_turn == 0 || of.columns != columns || !of.main) continue;
    // Blocks are decoded with int8 vectors, plain numbers cannot be.
    const bool blocks = quant::info(*of.format).block_elements > 1;
    if (of.input != (blocks ? kernels::Input::kInt8 : kernels::Input::kF32)) continue;
    const auto loop = hot_loop(kernel.compiled.assembly);
    if (!loop) continue;
    FormatSpeed speed;
    speed.format = *of.format;
    speed.kernel = kernel.compiled.name;
    speed.columns = columns;
    speed.bytes = bytes_a_weight(*of.format);
    speed.instructions = loop->mix.valu / kernel.weights_a_turn;
    speed.cycles = loop->mix.valu_cycles / kernel.weights_a_turn;
    speed.by_memory = machine.bandwidth / speed.bytes;
    speed.by_arithmetic = machine.lane_rate() / speed.cycles;
    speeds.push_back(speed);
  }
  return speeds;
}

TokenSpeed token_speed(const Machine& machine, std::span<const FormatSpeed> speeds,
                       const plan::ModelShape& shape) {
  TokenSpeed token{shape.name};
  double seconds = 0;
  for (const plan::TensorShape& tensor : shape.tensors) {
    // Of an embedding table that is not the output too, a token reads one row.
    if (tensor.part == plan::Part::kEmbedding && !shape.tied) continue;
    const double bytes = static_cast<double>(plan::resident_bytes(tensor));
    double slower = bytes / machine.bandwidth;
    const auto speed = std::ranges::find_if(
        speeds, [&](const FormatSpeed& one) { return tensor.format.format == one.format; });
    if (tensor.part != plan::Part::kVectors && speed != speeds.end()) {
      const double weights =
          static_cast<double>(tensor.rows) * static_cast<double>(tensor.columns) * tensor.count;
      slower = std::max(slower, weights / speed->by_arithmetic);
    }
    token.bytes += bytes;
    seconds += slower;
  }
  token.by_memory = machine.bandwidth / token.bytes;
  token.predicted = 1 / seconds;
  return token;
}

}  // namespace caldera::isa
