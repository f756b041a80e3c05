#include "model/program.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "caldera/error.hpp"
#include "kernels/state.hpp"
#include "model/plan_shape.hpp"
#include "model/rope_table.hpp"
#include "plan/working_memory.hpp"

namespace caldera::model {
namespace {

uint32_t qkv_width(const LayerSpec& layer) {
  return (layer.heads + 2 * layer.kv_heads) * layer.head;
}

/// Kernels count activations and the bytes of a page in 32 bits, and drivers read an index as signed.
/// Errors: kUnsupported.
void demand_small_offsets(const ModelSpec& spec, const plan::BatchLimits& limits, uint64_t page) {
  uint64_t row = spec.width;
  uint64_t parts = 0;
  for (const LayerSpec& layer : spec.layers) {
    row = std::max<uint64_t>({row, qkv_width(layer), layer.ffn});
    parts = std::max(parts, uint64_t{layer.heads} * (layer.head + 2) * kernels::kMaxSplits);
  }
  const uint64_t most = std::max(
      {limits.tokens * row, limits.decode_tokens * parts, uint64_t{limits.outputs} * spec.vocabulary});
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

/// KV memory moves with its pages, so for barriers all of it is one range that nothing else lies in.
constexpr vulkan::Range kAllKv{UINT64_MAX - 1, 1};

// What the planner reckons with is what the kernels are made for.
static_assert(plan::kPageTokens == kernels::kPageTokens);
static_assert(plan::kAttentionSplits == kernels::kMaxSplits);
static_assert(plan::kMaxSequences == kernels::kMaxVectorColumns);
static_assert(plan::kRopeFineRows == kernels::kRopeFineRows);

}  // namespace

uint64_t page_bytes(const ModelSpec& spec) {
  return plan::page_bytes(plan_shape(spec));
}

vulkan::Range Program::scratch(vulkan::Device& device, uint64_t bytes, const char* what) {
  memory_.push_back(
      device.memory().allocate(bytes, vulkan::Residency::kDevice, vulkan::Purpose::kActivations, what));
  return {memory_.back().address(), memory_.back().bytes()};
}

Program::Program(const ModelSpec& spec, const Weights& weights, const plan::BatchLimits& limits,
                 const ProgramInputs& inputs, vulkan::Device& device)
    : page_bytes_(model::page_bytes(spec)) {
  demand_small_offsets(spec, limits, page_bytes_);
  const bool apart = std::any_of(weights.layers.begin(), weights.layers.end(),
                                 [](const LayerWeights& layer) { return layer.gate_up.parts.size() > 1; });
  const plan::ProgramBytes bytes = plan::program_bytes(plan_shape(spec), limits, apart);
  act_.x = scratch(device, bytes.x, "the residual stream");
  act_.normed = scratch(device, bytes.normed, "normalised activations");
  act_.qkv = scratch(device, bytes.qkv, "queries, keys and values");
  act_.attended = scratch(device, bytes.attended, "attention's output");
  act_.hidden = scratch(device, bytes.hidden, "the feed-forward layer");
  if (apart) {
    act_.gate = scratch(device, bytes.gate, "the gate");
    act_.up = scratch(device, bytes.up, "the feed-forward layer");
  }
  act_.parts = scratch(device, bytes.parts, "parts of attention");

  const std::vector<float> table = rope_table(spec.rope, weights.rope_factors, limits.context);
  memory_.push_back(device.memory().allocate(table.size() * sizeof(float), vulkan::Residency::kDevice,
                                             vulkan::Purpose::kActivations, "the rope table"));
  device.upload(memory_.back(), 0, std::as_bytes(std::span(table)));
  // Before anything else can be refused, which would free what the device still copies to.
  device.end_uploads();
  rope_table_ = memory_.back().address();

  body_.emplace_back(kernels::Embed{&weights.embedding, act_.x});
  for (uint32_t i = 0; i < spec.layers.size(); ++i) add_layer(spec, weights, i, inputs);

  logits_ = device.memory().allocate(bytes.logits, vulkan::Residency::kDevice, vulkan::Purpose::kActivations,
                                     "logits");
  const vulkan::Range logits{logits_.address(), logits_.bytes()};
  const vulkan::Range outputs = scratch(device, bytes.outputs, "outputs");
  head_.emplace_back(
      kernels::Norm{act_.x, weights.output_norm, outputs, spec.width, spec.norm_epsilon, true});
  head_.emplace_back(kernels::Product{&weights.output(), outputs, logits, spec.vocabulary, 0, 0,
                                      kernels::Epilogue::kStore, kernels::Count::kOutputs});
  sampling_.emplace_back(kernels::Sample{logits, inputs.decode_batch, inputs.slots, spec.vocabulary});
}

void Program::add_layer(const ModelSpec& spec, const Weights& weights, uint32_t index,
                        const ProgramInputs& inputs) {
  using kernels::Count;
  using kernels::Epilogue;
  const LayerSpec& layer = spec.layers[index];
  const LayerWeights& w = weights.layers[index];
  const auto half_bytes = [](const LayerSpec& one) { return plan::half_layer_bytes(one.kv_heads, one.head); };
  uint64_t before = 0;
  for (uint32_t i = 0; i < index; ++i) before += 2 * half_bytes(spec.layers[i]);
  const kernels::AttentionShape shape{layer.heads,
                                      layer.kv_heads,
                                      layer.head,
                                      static_cast<uint32_t>(before),
                                      static_cast<uint32_t>(half_bytes(layer)),
                                      layer.window};
  const uint32_t width = qkv_width(layer);

  body_.emplace_back(
      kernels::Norm{act_.x, w.attention_norm, act_.normed, spec.width, spec.norm_epsilon, false});
  uint32_t first = 0;
  for (const kernels::Matrix& part : w.qkv.parts) {
    const uint64_t bias = w.qkv.bias != 0 ? w.qkv.bias + uint64_t{first} * sizeof(float) : 0;
    body_.emplace_back(
        kernels::Product{&part, act_.normed, act_.qkv, width, first, bias, Epilogue::kStore, Count::kTokens});
    first += part.rows;
  }
  body_.emplace_back(kernels::Rope{shape, act_.qkv, rope_table_, w.query_norm, w.key_norm, inputs.page_tables,
                                   kAllKv, spec.rope.rotated, spec.rope.neox, spec.norm_epsilon,
                                   1.0F / std::sqrt(static_cast<float>(layer.head))});
  body_.emplace_back(
      kernels::Attention{shape, act_.qkv, act_.attended, act_.parts, inputs.page_tables, kAllKv});
  body_.emplace_back(kernels::Product{&w.attention_output, act_.attended, act_.x, spec.width, 0,
                                      w.attention_output_bias, Epilogue::kAdd, Count::kTokens});

  body_.emplace_back(kernels::Norm{act_.x, w.ffn_norm, act_.normed, spec.width, spec.norm_epsilon, false});
  if (w.gate_up.parts.size() == 1) {
    body_.emplace_back(kernels::Product{&w.gate_up.parts[0], act_.normed, act_.hidden, layer.ffn, 0, 0,
                                        Epilogue::kSwiGlu, Count::kTokens});
  } else {
    body_.emplace_back(kernels::Product{&w.gate_up.parts[0], act_.normed, act_.gate, layer.ffn, 0, 0,
                                        Epilogue::kStore, Count::kTokens});
    body_.emplace_back(kernels::Product{&w.gate_up.parts[1], act_.normed, act_.up, layer.ffn, 0, 0,
                                        Epilogue::kStore, Count::kTokens});
    body_.emplace_back(kernels::SwiGlu{act_.gate, act_.up, act_.hidden, layer.ffn});
  }
  body_.emplace_back(
      kernels::Product{&w.down, act_.hidden, act_.x, spec.width, 0, 0, Epilogue::kAdd, Count::kTokens});
}

}  // namespace caldera::model
