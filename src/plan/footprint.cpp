#include "plan/footprint.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

#include "quant/resident.hpp"

namespace caldera::plan {
namespace {

/// What the memory pool hands out for `bytes`.
constexpr uint64_t allocated(uint64_t bytes) {
  return (std::max<uint64_t>(bytes, 1) + 255) / 256 * 256;
}

/// Whether gate and up of some layer are in different formats, so that they cannot be one matrix.
bool gate_apart(const ModelShape& shape) {
  std::vector<std::pair<std::string, uint32_t>> gate;
  std::vector<std::pair<std::string, uint32_t>> up;
  for (const TensorShape& tensor : shape.tensors) {
    if (tensor.name.ends_with("ffn_gate.weight")) gate.emplace_back(tensor.format.name, tensor.count);
    if (tensor.name.ends_with("ffn_up.weight")) up.emplace_back(tensor.format.name, tensor.count);
  }
  return gate != up;
}

/// What the engine keeps beside the program: batches, page tables, the state of each sequence
/// (engine/engine.cpp, engine/slot.cpp).
uint64_t engine_bytes(const ModelShape& shape, uint32_t read_rows, uint32_t context, uint32_t sequences) {
  constexpr uint64_t kBatchHead = 1024;
  constexpr uint64_t kEntry = 16;
  constexpr uint64_t kAddress = 8;
  constexpr uint64_t kId = 4;
  constexpr uint64_t kSequenceState = 128;
  constexpr uint64_t kDrawn = 64 * kId;
  constexpr uint64_t kSlotAddresses = 5 * kAddress;
  const uint64_t pages = (uint64_t{context} + kPageTokens - 1) / kPageTokens;
  const uint64_t slot = allocated(pages * kAddress) + allocated(kSequenceState) +
                        allocated(shape.vocabulary * kId) + allocated((uint64_t{context} + 1) * kId) +
                        allocated(kDrawn) + allocated(kSlotAddresses);
  return allocated(kBatchHead + read_rows * kEntry) + allocated(kBatchHead + (sequences + 1) * kEntry) +
         2 * allocated(sequences * kAddress) + sequences * slot;
}

}  // namespace

uint64_t resident_bytes(const TensorShape& tensor) {
  if (tensor.part == Part::kVectors) {
    return allocated(tensor.rows * tensor.columns * sizeof(float)) * tensor.count;
  }
  if (tensor.format.format && tensor.columns % quant::kUnit == 0 &&
      tensor.columns % quant::info(*tensor.format.format).block_elements == 0) {
    const uint64_t row = quant::row_layout(*tensor.format.format, tensor.columns).row_bytes;
    return allocated(row * tensor.rows) * tensor.count;
  }
  const double bits =
      static_cast<double>(tensor.rows) * static_cast<double>(tensor.columns) * tensor.format.bits_per_weight;
  return allocated(static_cast<uint64_t>(std::ceil(bits / 8))) * tensor.count;
}

uint64_t WeightBytes::total() const {
  return std::accumulate(by_part.begin(), by_part.end(), uint64_t{0});
}

WeightBytes weight_bytes(const ModelShape& shape) {
  WeightBytes bytes;
  for (const TensorShape& tensor : shape.tensors)
    bytes.by_part[static_cast<size_t>(tensor.part)] += resident_bytes(tensor);
  return bytes;
}

uint64_t file_bytes(const ModelShape& shape) {
  double bits = 0;
  for (const TensorShape& tensor : shape.tensors) {
    bits += static_cast<double>(tensor.rows) * static_cast<double>(tensor.columns) * tensor.count *
            tensor.format.bits_per_weight;
  }
  return static_cast<uint64_t>(bits / 8);
}

bool computable(const ModelShape& shape) {
  return std::ranges::all_of(shape.tensors,
                             [](const TensorShape& tensor) { return tensor.format.format.has_value(); });
}

uint64_t kv_bytes_per_token(const ModelShape& shape, KvFormats formats) {
  return page_bytes(shape, formats) / kPageTokens;
}

Footprint footprint(const ModelShape& shape, const Use& use, DeviceType device, bool matrix_units) {
  const uint32_t context = use.context > 0 ? use.context : shape.context;
  const uint64_t pages = (uint64_t{context} + kPageTokens - 1) / kPageTokens;
  const uint32_t read_rows = read_tokens(device, matrix_units, context, use.prefill_rows);
  const ProgramBytes program =
      program_bytes(shape, batch_limits(read_rows, context, use.sequences), gate_apart(shape));

  Footprint result;
  result.weights = weight_bytes(shape);
  result.kv = use.sequences * pages * allocated(page_bytes(shape, use.kv));
  if (use.keep_kv) result.kept_kv = result.kv;
  result.activations = engine_bytes(shape, read_rows, context, use.sequences);
  for (const uint64_t bytes :
       {program.x, program.normed, program.qkv, program.attended, program.hidden, program.gate, program.up,
        program.parts, program.rope_table, program.logits, program.outputs, program.normed_int8,
        program.attended_int8, program.hidden_int8, program.outputs_int8, program.counters,
        program.sampler}) {
    if (bytes > 0) result.activations += allocated(bytes);
  }
  result.ring = std::min(use.ring_bytes > 0 ? use.ring_bytes : kUsualRing, file_bytes(shape));
  return result;
}

}  // namespace caldera::plan
