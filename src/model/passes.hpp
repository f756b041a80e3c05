// A model's forward pass as lists of operations: one for reading tokens, one for decode steps.
#pragma once

#include <cstdint>
#include <variant>
#include <vector>

#include "kernels/kernels.hpp"
#include "model/spec.hpp"
#include "model/weights.hpp"

namespace caldera::model {

using Operation =
    std::variant<kernels::Embed, kernels::Norm, kernels::Product, kernels::Rope, kernels::Attention,
                 kernels::DecodeAttention, kernels::SwiGlu, kernels::Sample, kernels::Quantize>;

/// The operations of a forward pass in two parts.
struct Pass {
  std::vector<Operation> body;  ///< from token ids to the last layer's output
  std::vector<Operation> head;  ///< from there to the logits of the batch's outputs
  /// The same for up to `few_outputs` outputs, by a faster way; empty where there is none.
  std::vector<Operation> few_head;
  uint32_t few_outputs = kernels::kMaxSumColumns;

  const std::vector<Operation>& head_of(uint32_t outputs) const {
    return few_head.empty() || outputs > few_outputs ? head : few_head;
  }
};

/// The buffers that a pass works in. What is overwritten layer by layer is shared by all passes.
struct Activations {
  vulkan::Range x;         ///< the residual stream
  vulkan::Range normed;    ///< the residual stream, normalised
  vulkan::Range qkv;       ///< queries, keys and values
  vulkan::Range attended;  ///< attention's output
  vulkan::Range hidden;    ///< between the feed-forward matrices
  vulkan::Range gate;      ///< where gate and up are apart
  vulkan::Range up;
  vulkan::Range parts;  ///< of split attention
  vulkan::Range outputs;
  vulkan::Range logits;
  // As int8 vectors, of steps and of prompts that are read so; and what attention counts its parts by.
  vulkan::Range normed_int8;
  vulkan::Range attended_int8;
  vulkan::Range hidden_int8;
  vulkan::Range outputs_int8;  ///< two for each output: see kernels::Product::terms
  vulkan::Range counters;
  uint64_t rope_table = 0;
  uint64_t page_tables = 0;  ///< address of each slot's page table
  plan::KvFormats kv;        ///< of KV memory
};

/// For any number of neighbouring tokens of one sequence: eight operations a layer, all in f32. With `half`,
/// for more than kernels::kMaxVectorColumns of them on matrix units: in f16 what products take.
Pass reading_pass(const ModelSpec& spec, const Weights& weights, const Activations& activations, bool half);

/// For up to plan::kInt8Tokens neighbouring tokens of one sequence, by products of int8 vectors where weights
/// are in blocks and in the resident layout: seven operations a layer.
Pass int8_reading_pass(const ModelSpec& spec, const Weights& weights, const Activations& activations);

/// For one token each of several sequences, five operations a layer, by products of int8 vectors where
/// weights are in blocks and in the resident layout.
Pass step_pass(const ModelSpec& spec, const Weights& weights, const Activations& activations);

/// The same for more sequences than there are products of few vectors for (kernels::kMaxUnitVectors): seven
/// operations a layer, whose products take f16 on matrix units as those of prompts do.
Pass half_step_pass(const ModelSpec& spec, const Weights& weights, const Activations& activations);

/// Moves a sequence's keys to earlier positions: one operation for neighbouring layers of one shape, without
/// pages yet.
std::vector<kernels::RopeShift> shift_pass(const ModelSpec& spec, plan::KvFormats kv);

/// Queries, keys and values of a token in one layer.
inline uint32_t qkv_width(const LayerSpec& layer) {
  return (layer.heads + 2 * layer.kv_heads) * layer.head;
}

}  // namespace caldera::model
