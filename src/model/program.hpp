// A model's forward pass as a list of typed operations, built once from its spec and weights.
#pragma once

#include <cstdint>
#include <vector>

#include "kernels/kernels.hpp"
#include "kernels/matvec_units.hpp"
#include "model/passes.hpp"
#include "model/spec.hpp"
#include "model/weights.hpp"
#include "plan/kv_format.hpp"
#include "plan/limits.hpp"
#include "vulkan/device.hpp"

namespace caldera::model {

/// What the engine gives the program to work on.
struct ProgramInputs {
  uint64_t page_tables = 0;   ///< address of each slot's page table
  uint64_t slots = 0;         ///< address of each slot's kernels::SlotAddresses
  uint64_t decode_batch = 0;  ///< address of the batch that the sampler feeds
  plan::KvFormats kv;         ///< of KV memory
  bool int8 = false;          ///< decode steps compute with int8 vectors; else as reading does
  bool int8_reading = false;  ///< and so do prompts, in batches of up to plan::kInt8Tokens
  bool half = false;          ///< more than kernels::kMaxVectorColumns tokens are read on matrix units
};

/// The operations, and the activations they work on. Refers to `weights`, which must outlive it.
class Program {
 public:
  /// Errors: kUnsupported (too large to address), kMemory.
  Program(const ModelSpec& spec, const Weights& weights, const plan::BatchLimits& limits,
          const ProgramInputs& inputs, vulkan::Device& device);

  /// For up to `tokens` neighbouring tokens of one sequence.
  const Pass& reading(uint32_t tokens) const {
    return half_ && tokens > kernels::kMaxVectorColumns ? half_reading_ : reading_;
  }
  /// For one token each of up to so many sequences.
  const Pass& step(uint32_t sequences) const {
    if (steps_in_half(sequences)) return half_step_;
    return int8_ ? step_ : reading_;
  }
  /// Whether step() of so many computes in f16, as prompts do, and not with int8 vectors or in f32.
  bool steps_in_half(uint32_t sequences) const {
    return half_ && sequences > (int8_ ? kernels::kMaxUnitVectors : kernels::kMaxVectorColumns);
  }
  /// Whether step() of so many rotates and attends in one operation.
  bool steps_attend_at_once(uint32_t sequences) const { return int8_ || steps_in_half(sequences); }
  /// Whether steps compute with int8 vectors.
  bool int8() const { return int8_; }
  /// From the logits to the next tokens.
  const std::vector<Operation>& sampling() const { return sampling_; }

  /// Of tokens just read, from the last layer's output to hidden(): the output norm.
  const std::vector<Operation>& hiding() const { return hiding_; }
  /// (tokens, width) f32; every other pass overwrites it.
  const vulkan::Allocation& hidden() const { return memory_[hidden_]; }

  const vulkan::Allocation& logits() const { return logits_; }
  /// Bytes of one KV page (kernels::kPageTokens tokens, all layers).
  uint64_t page_bytes() const { return page_bytes_; }

 private:
  vulkan::Range scratch(vulkan::Device& device, uint64_t bytes, const char* what);

  Pass reading_;
  Pass half_reading_;
  Pass step_;
  Pass half_step_;
  bool int8_ = false;
  bool half_ = false;
  std::vector<Operation> sampling_;
  std::vector<Operation> hiding_;
  size_t hidden_ = 0;  ///< of memory_
  uint64_t page_bytes_ = 0;
  vulkan::Allocation logits_;
  std::vector<vulkan::Allocation> memory_;
};

/// Bytes of one KV page of a model.
uint64_t page_bytes(const ModelSpec& spec, plan::KvFormats kv = {});
/// Whether the model's heads can be kept so. Errors: kUnsupported.
void demand_kv_formats(const ModelSpec& spec, plan::KvFormats kv);

}  // namespace caldera::model
