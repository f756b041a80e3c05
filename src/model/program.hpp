// A model's forward pass as a list of typed operations, built once from its spec and weights.
#pragma once

#include <cstdint>
#include <variant>
#include <vector>

#include "kernels/kernels.hpp"
#include "model/spec.hpp"
#include "model/weights.hpp"
#include "plan/limits.hpp"
#include "vulkan/device.hpp"

namespace caldera::model {

using Operation = std::variant<kernels::Embed, kernels::Norm, kernels::Product, kernels::Rope,
                               kernels::Attention, kernels::SwiGlu, kernels::Sample>;

/// What the engine gives the program to work on.
struct ProgramInputs {
  uint64_t page_tables = 0;   ///< address of each slot's page table
  uint64_t slots = 0;         ///< address of each slot's kernels::SlotAddresses
  uint64_t decode_batch = 0;  ///< address of the batch that the sampler feeds
};

/// The operations, and the activations they work on. Refers to `weights`, which must outlive it.
class Program {
 public:
  /// Errors: kUnsupported (too large to address), kMemory.
  Program(const ModelSpec& spec, const Weights& weights, const plan::BatchLimits& limits,
          const ProgramInputs& inputs, vulkan::Device& device);

  /// From token ids to the last layer's output.
  const std::vector<Operation>& body() const { return body_; }
  /// From there to the logits of the batch's outputs.
  const std::vector<Operation>& head() const { return head_; }
  /// From the logits to the next tokens.
  const std::vector<Operation>& sampling() const { return sampling_; }

  const vulkan::Allocation& logits() const { return logits_; }
  /// Bytes of one KV page (kernels::kPageTokens tokens, all layers).
  uint64_t page_bytes() const { return page_bytes_; }

 private:
  vulkan::Range scratch(vulkan::Device& device, uint64_t bytes, const char* what);
  void add_layer(const ModelSpec& spec, const Weights& weights, uint32_t index, const ProgramInputs& inputs);

  struct Activations {
    vulkan::Range x, normed, qkv, attended, hidden, gate, up, parts;
  };

  std::vector<Operation> body_;
  std::vector<Operation> head_;
  std::vector<Operation> sampling_;
  Activations act_;
  uint64_t rope_table_ = 0;
  uint64_t page_bytes_ = 0;
  vulkan::Allocation logits_;
  std::vector<vulkan::Allocation> memory_;
};

/// Bytes of one KV page of a model.
uint64_t page_bytes(const ModelSpec& spec);

}  // namespace caldera::model
