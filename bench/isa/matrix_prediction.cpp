#include "matrix_prediction.hpp"

#include <algorithm>
#include <utility>

#include "plan/footprint.hpp"

namespace caldera::isa {
namespace {

constexpr double kFlop = 2 * 16 * 16 * 16;
constexpr double kCycles = 32;
/// A SIMD's share of the 128 bytes a cycle.
constexpr double kSharedBytes = 64;

}  // namespace

double MatrixLoop::speed(const Machine& machine) const {
  return flop / std::max(vector_cycles, shared_cycles) * machine.simds() * machine.clock;
}

double MatrixLoop::limit(const Machine& machine) {
  return kFlop / kCycles * machine.simds() * machine.clock;
}

bool uses_matrix_units(const Kernel& kernel) {
  return kernel.compiled.name.find("_units") != std::string::npos;
}

std::optional<MatrixLoop> matrix_loop(const CompiledPipeline& compiled) {
  const auto loop = loop_of_matrices(compiled.assembly);
  if (!loop) return std::nullopt;
  MatrixLoop matrix;
  matrix.mix = loop->mix;
  matrix.flop = loop->mix.wmma * kFlop;
  matrix.vector_cycles = loop->mix.valu_cycles;
  matrix.shared_cycles = static_cast<double>(loop->mix.lds_bytes) * compiled.subgroup / kSharedBytes;
  return matrix;
}

std::vector<PromptFormat> prompt_formats(const Machine& machine, std::span<const Kernel> kernels) {
  std::vector<PromptFormat> formats;
  for (const Kernel& kernel : kernels) {
    if (!kernel.of.format || kernel.of.decoding || !kernel.of.main) continue;
    if (const auto loop = matrix_loop(kernel.compiled)) {
      formats.push_back({*kernel.of.format, kernel.compiled.name, loop->speed(machine)});
    }
  }
  return formats;
}

PromptSpeed prompt_speed(const Machine& machine, std::span<const PromptFormat> formats,
                         const plan::ModelShape& shape, uint32_t tokens) {
  PromptSpeed prompt{shape.name};
  double seconds = 0;  // a token
  double flop = 0;
  for (const plan::TensorShape& tensor : shape.tensors) {
    const double weights =
        static_cast<double>(tensor.rows) * static_cast<double>(tensor.columns) * tensor.count;
    prompt.parameters += weights;
    // A table's rows are copied, vectors are small, and only the last token passes the output matrix.
    if (tensor.part != plan::Part::kAttention && tensor.part != plan::Part::kFeedForward) continue;
    const double bytes = static_cast<double>(plan::resident_bytes(tensor)) / machine.bandwidth / tokens;
    const auto speed = std::ranges::find_if(
        formats, [&](const PromptFormat& one) { return tensor.format.format == one.format; });
    const double arithmetic = speed == formats.end() ? 0 : 2 * weights / speed->speed;
    seconds += std::max(bytes, arithmetic);
    flop += 2 * weights;
  }
  prompt.predicted = seconds > 0 ? 1 / seconds : 0;
  prompt.teraflops = flop * prompt.predicted / 1e12;
  return prompt;
}

PromptSpeed scaled(PromptSpeed prompt, std::string shape, double parameters) {
  prompt.shape = std::move(shape);
  prompt.predicted *= prompt.parameters / parameters;
  prompt.parameters = parameters;
  return prompt;
}

}  // namespace caldera::isa
