#include "model/program.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "caldera/error.hpp"
#include "kernels/state.hpp"
#include "model/plan_shape.hpp"
#include "model/rope_table.hpp"
#include "plan/working_memory.hpp"

namespace caldera::model {
namespace {

/// Kernels count activations and the bytes of a page in 32 bits, and drivers read an index as signed.
/// Errors: kUnsupported.
void demand_small_offsets(const ModelSpec& spec, const plan::BatchLimits& limits, uint64_t page) {
  uint64_t row = spec.width;
  uint64_t parts = 0;
  for (const LayerSpec& layer : spec.layers) {
    row = std::max<uint64_t>({row, qkv_width(layer), layer.ffn});
    parts = std::max(parts, uint64_t{layer.heads} * (layer.head + 2) * plan::kAttentionParts);
  }
  const uint64_t most = std::max({limits.tokens * row, parts, uint64_t{limits.outputs} * spec.vocabulary});
  if (most > INT32_MAX) {
    throw Error(ErrorKind::kUnsupported,
                fmt::format("batches of {} tokens of this model need {} activations in one piece, and up to "
                            "{} can be computed with: a smaller prefill batch may do",
                            limits.tokens, most, INT32_MAX));
  }
  if (page > UINT32_MAX) {
    throw Error(ErrorKind::kUnsupported,
                fmt::format("{} tokens of this model need {:.1f} GiB of KV memory, and up to 4 can be "
                            "computed with",
                            kernels::kPageTokens, static_cast<double>(page) / (1U << 30)));
  }
}

// What the planner reckons with is what the kernels are made for.
static_assert(plan::kPageTokens == kernels::kPageTokens);
static_assert(plan::kAttentionParts >= kernels::kMaxSplits);
static_assert(plan::kVectorTile == kernels::kMaxVectorColumns);
static_assert(plan::kMaxSequences <= kernels::kMaxOutputs);
static_assert(plan::kRopeFineRows == kernels::kRopeFineRows);

}  // namespace

uint64_t page_bytes(const ModelSpec& spec, plan::KvFormats kv) {
  return plan::page_bytes(plan_shape(spec), kv);
}

void demand_kv_formats(const ModelSpec& spec, plan::KvFormats kv) {
  const uint32_t head = plan::head_against(plan_shape(spec), kv);
  if (head == 0) return;
  throw Error(
      ErrorKind::kUnsupported,
      fmt::format("KV memory in {} has a scale for each {} numbers, and this model's attention heads are "
                  "of {}, no multiple of that: keep keys and values in f16",
                  plan::kv_name(kv), plan::kKvBlock, head));
}

vulkan::Range Program::scratch(vulkan::Device& device, uint64_t bytes, const char* what) {
  memory_.push_back(
      device.memory().allocate(bytes, vulkan::Residency::kDevice, vulkan::Purpose::kActivations, what));
  return {memory_.back().address(), memory_.back().bytes()};
}

Program::Program(const ModelSpec& spec, const Weights& weights, const plan::BatchLimits& limits,
                 const ProgramInputs& inputs, vulkan::Device& device)
    : page_bytes_(model::page_bytes(spec, inputs.kv)) {
  demand_small_offsets(spec, limits, page_bytes_);
  const bool apart = std::any_of(weights.layers.begin(), weights.layers.end(),
                                 [](const LayerWeights& layer) { return layer.gate_up.parts.size() > 1; });
  const plan::ProgramBytes bytes = plan::program_bytes(plan_shape(spec), limits, apart);
  Activations act;
  act.page_tables = inputs.page_tables;
  act.kv = inputs.kv;
  act.x = scratch(device, bytes.x, "the residual stream");
  act.normed = scratch(device, bytes.normed, "normalised activations");
  hidden_ = memory_.size() - 1;
  act.qkv = scratch(device, bytes.qkv, "queries, keys and values");
  act.attended = scratch(device, bytes.attended, "attention's output");
  act.hidden = scratch(device, bytes.hidden, "the feed-forward layer");
  if (apart) {
    act.gate = scratch(device, bytes.gate, "the gate");
    act.up = scratch(device, bytes.up, "the feed-forward layer");
  }
  act.parts = scratch(device, bytes.parts, "parts of attention");
  act.normed_int8 = scratch(device, bytes.normed_int8, "normalised activations of steps");
  act.attended_int8 = scratch(device, bytes.attended_int8, "attention's output of steps");
  act.hidden_int8 = scratch(device, bytes.hidden_int8, "the feed-forward layer of steps");
  act.outputs_int8 = scratch(device, bytes.outputs_int8, "outputs of steps");
  act.counters = scratch(device, bytes.counters, "attention's counters");
  const size_t counters = memory_.size() - 1;
  const vulkan::Range sampler = scratch(device, bytes.sampler, "the sampler");

  const std::vector<float> table = rope_table(spec.rope, weights.rope_factors, limits.context);
  memory_.push_back(device.memory().allocate(table.size() * sizeof(float), vulkan::Residency::kDevice,
                                             vulkan::Purpose::kActivations, "the rope table"));
  device.upload(memory_.back(), 0, std::as_bytes(std::span(table)));
  const std::vector<std::byte> zeros(std::max(bytes.counters, plan::kSamplerCounterBytes));
  device.upload(memory_[counters], 0, std::span(zeros).first(bytes.counters));
  device.upload(memory_[counters + 1], 0, std::span(zeros).first(plan::kSamplerCounterBytes));
  // Before anything else can be refused, which would free what the device still copies to.
  device.end_uploads();
  act.rope_table = memory_.back().address();

  logits_ = device.memory().allocate(bytes.logits, vulkan::Residency::kDevice, vulkan::Purpose::kActivations,
                                     "logits");
  act.logits = {logits_.address(), logits_.bytes()};
  act.outputs = scratch(device, bytes.outputs, "outputs");

  reading_ =
      inputs.int8_reading ? int8_reading_pass(spec, weights, act) : reading_pass(spec, weights, act, false);
  half_ = inputs.half;
  if (half_) half_reading_ = reading_pass(spec, weights, act, true);
  int8_ = inputs.int8;
  if (int8_) step_ = step_pass(spec, weights, act);
  if (half_) half_step_ = half_step_pass(spec, weights, act);
  if (half_) step_.few_outputs = kernels::kMaxVectorColumns;  // Kernels::most_sum_columns()
  hiding_.emplace_back(
      kernels::Norm{act.x, weights.output_norm, act.normed, spec.width, spec.norm_epsilon, false});
  sampling_.emplace_back(
      kernels::Sample{act.logits, inputs.decode_batch, inputs.slots, spec.vocabulary, sampler});
}

}  // namespace caldera::model
