#include "model/passes.hpp"

#include <algorithm>
#include <cmath>
#include <span>

#include "plan/working_memory.hpp"

namespace caldera::model {
namespace {

using kernels::Count;
using kernels::Epilogue;
using kernels::Input;
using vulkan::Range;

/// KV memory moves with its pages, so for barriers all of it is one range that nothing else lies in.
constexpr Range kAllKv{UINT64_MAX - 1, 1};

/// How the heads of layer `index` and their KV memory are shaped.
kernels::AttentionShape attention_shape(const ModelSpec& spec, uint32_t index) {
  const auto half_bytes = [](const LayerSpec& one) { return plan::half_layer_bytes(one.kv_heads, one.head); };
  uint64_t before = 0;
  for (uint32_t i = 0; i < index; ++i) before += 2 * half_bytes(spec.layers[i]);
  const LayerSpec& layer = spec.layers[index];
  return {layer.heads,
          layer.kv_heads,
          layer.head,
          static_cast<uint32_t>(before),
          static_cast<uint32_t>(half_bytes(layer)),
          layer.window};
}

kernels::Rope rope(const ModelSpec& spec, const LayerWeights& w, const kernels::AttentionShape& shape,
                   const Activations& act) {
  return {shape,
          act.qkv,
          act.rope_table,
          w.query_norm,
          w.key_norm,
          act.page_tables,
          kAllKv,
          spec.rope.rotated,
          spec.rope.neox,
          spec.norm_epsilon,
          1.0F / std::sqrt(static_cast<float>(shape.head))};
}

/// Adds the operations of steps, whose products take int8 vectors where they can.
class StepBuilder {
 public:
  StepBuilder(const ModelSpec& spec, const Weights& weights, const Activations& activations,
              const kernels::Kernels& kernels, uint32_t sequences)
      : spec_(spec), weights_(weights), act_(activations), kernels_(kernels), one_(sequences == 1) {}

  Pass build() {
    Pass pass;
    to_ = &pass.body;
    to_->emplace_back(kernels::Embed{&weights_.embedding, act_.x});
    for (uint32_t i = 0; i < spec_.layers.size(); ++i) add_layer(i);
    to_ = &pass.head;
    kernels::Product logits{&weights_.output(), {}, act_.logits, spec_.vocabulary, 0, 0, Epilogue::kStore,
                            Count::kOutputs};
    // With one sequence its only token is the output; with more, outputs are gathered.
    if (!one_ || !kernels_.takes_norm(weights_.output())) {
      const bool int8 = kernels_.takes_int8(weights_.output());
      to_->emplace_back(kernels::Norm{act_.x, weights_.output_norm, int8 ? Range{} : act_.outputs,
                                      spec_.width, spec_.norm_epsilon, true,
                                      int8 ? act_.normed_int8 : Range{}});
      logits.input = int8 ? Input::kInt8 : Input::kF32;
      logits.x = int8 ? act_.normed_int8 : act_.outputs;
    } else {
      take_norm(logits, weights_.output_norm);
    }
    to_->emplace_back(logits);
    return pass;
  }

 private:
  void take_norm(kernels::Product& product, uint64_t norm) const {
    product.input = Input::kNorm;
    product.x = act_.x;
    product.norm = norm;
    product.epsilon = spec_.norm_epsilon;
  }

  /// Lets products take the residual stream, normalised: by themselves, or from an operation before them.
  void feed_normed(uint64_t norm, std::span<kernels::Product> products) {
    const auto all = [&](auto takes) {
      return std::all_of(products.begin(), products.end(),
                         [&](const kernels::Product& product) { return takes(*product.weights); });
    };
    if (one_ && all([&](const kernels::Matrix& matrix) { return kernels_.takes_norm(matrix); })) {
      for (kernels::Product& product : products) take_norm(product, norm);
      return;
    }
    bool floats = false;
    bool codes = false;
    for (kernels::Product& product : products) {
      const bool int8 = kernels_.takes_int8(*product.weights);
      (int8 ? codes : floats) = true;
      product.input = int8 ? Input::kInt8 : Input::kF32;
      product.x = int8 ? act_.normed_int8 : act_.normed;
    }
    to_->emplace_back(kernels::Norm{act_.x, norm, floats ? act_.normed : Range{}, spec_.width,
                                    spec_.norm_epsilon, false, codes ? act_.normed_int8 : Range{}});
  }

  /// The product of what is there in both forms, added to the residual stream.
  kernels::Product residual(const kernels::Matrix& matrix, uint64_t bias, const Range& floats,
                            const Range& codes) {
    const bool int8 = kernels_.takes_int8(matrix);
    kernels::Product product{&matrix, int8 ? codes : floats, act_.x,        spec_.width, 0,
                             bias,    Epilogue::kAdd,        Count::kTokens};
    product.input = int8 ? Input::kInt8 : Input::kF32;
    return product;
  }

  void add_layer(uint32_t index) {
    const LayerSpec& layer = spec_.layers[index];
    const LayerWeights& w = weights_.layers[index];
    const kernels::AttentionShape shape = attention_shape(spec_, index);

    std::vector<kernels::Product> products;
    uint32_t first = 0;
    for (const kernels::Matrix& part : w.qkv.parts) {
      const uint64_t bias = w.qkv.bias != 0 ? w.qkv.bias + uint64_t{first} * sizeof(float) : 0;
      products.push_back(
          {&part, {}, act_.qkv, qkv_width(layer), first, bias, Epilogue::kStore, Count::kTokens});
      products.back().beside = first > 0;
      first += part.rows;
    }
    feed_normed(w.attention_norm, products);
    for (const kernels::Product& product : products) to_->emplace_back(product);

    const bool attended_int8 = kernels_.takes_int8(w.attention_output);
    to_->emplace_back(kernels::DecodeAttention{
        rope(spec_, w, shape, act_),
        {shape, act_.qkv, attended_int8 ? Range{} : act_.attended, act_.parts, act_.page_tables, kAllKv},
        attended_int8 ? act_.attended_int8 : Range{},
        act_.counters});
    to_->emplace_back(
        residual(w.attention_output, w.attention_output_bias, act_.attended, act_.attended_int8));
    add_feed_forward(layer, w);
  }

  void add_feed_forward(const LayerSpec& layer, const LayerWeights& w) {
    kernels::Product down = residual(w.down, 0, act_.hidden, act_.hidden_int8);
    if (w.gate_up.parts.size() == 1) {
      kernels::Product product{&w.gate_up.parts[0], {}, act_.hidden, layer.ffn, 0, 0, Epilogue::kSwiGlu,
                               Count::kTokens};
      if (!kernels_.takes_int8(*product.weights)) {  // a product of floats makes no int8 vectors
        down.input = Input::kF32;
        down.x = act_.hidden;
      }
      if (down.input == Input::kInt8) product.out_int8 = act_.hidden_int8;
      feed_normed(w.ffn_norm, {&product, 1});
      to_->emplace_back(product);
      to_->emplace_back(down);
      return;
    }
    std::vector<kernels::Product> products{
        {&w.gate_up.parts[0], {}, act_.gate, layer.ffn, 0, 0, Epilogue::kStore, Count::kTokens},
        {&w.gate_up.parts[1], {}, act_.up, layer.ffn, 0, 0, Epilogue::kStore, Count::kTokens}};
    feed_normed(w.ffn_norm, products);
    for (const kernels::Product& product : products) to_->emplace_back(product);
    const bool int8 = down.input == Input::kInt8;
    to_->emplace_back(kernels::SwiGlu{act_.gate, act_.up, int8 ? Range{} : act_.hidden, layer.ffn,
                                      int8 ? act_.hidden_int8 : Range{}});
    to_->emplace_back(down);
  }

  const ModelSpec& spec_;
  const Weights& weights_;
  const Activations& act_;
  const kernels::Kernels& kernels_;
  const bool one_;
  std::vector<Operation>* to_ = nullptr;
};

void add_reading_layer(const ModelSpec& spec, const Weights& weights, const Activations& act, uint32_t index,
                       std::vector<Operation>& to) {
  const LayerSpec& layer = spec.layers[index];
  const LayerWeights& w = weights.layers[index];
  const kernels::AttentionShape shape = attention_shape(spec, index);
  const uint32_t width = qkv_width(layer);

  to.emplace_back(kernels::Norm{act.x, w.attention_norm, act.normed, spec.width, spec.norm_epsilon, false});
  uint32_t first = 0;
  for (const kernels::Matrix& part : w.qkv.parts) {
    const uint64_t bias = w.qkv.bias != 0 ? w.qkv.bias + uint64_t{first} * sizeof(float) : 0;
    to.emplace_back(
        kernels::Product{&part, act.normed, act.qkv, width, first, bias, Epilogue::kStore, Count::kTokens});
    first += part.rows;
  }
  to.emplace_back(rope(spec, w, shape, act));
  to.emplace_back(kernels::Attention{shape, act.qkv, act.attended, act.parts, act.page_tables, kAllKv});
  to.emplace_back(kernels::Product{&w.attention_output, act.attended, act.x, spec.width, 0,
                                   w.attention_output_bias, Epilogue::kAdd, Count::kTokens});

  to.emplace_back(kernels::Norm{act.x, w.ffn_norm, act.normed, spec.width, spec.norm_epsilon, false});
  if (w.gate_up.parts.size() == 1) {
    to.emplace_back(kernels::Product{&w.gate_up.parts[0], act.normed, act.hidden, layer.ffn, 0, 0,
                                     Epilogue::kSwiGlu, Count::kTokens});
  } else {
    to.emplace_back(kernels::Product{&w.gate_up.parts[0], act.normed, act.gate, layer.ffn, 0, 0,
                                     Epilogue::kStore, Count::kTokens});
    to.emplace_back(kernels::Product{&w.gate_up.parts[1], act.normed, act.up, layer.ffn, 0, 0,
                                     Epilogue::kStore, Count::kTokens});
    to.emplace_back(kernels::SwiGlu{act.gate, act.up, act.hidden, layer.ffn});
  }
  to.emplace_back(
      kernels::Product{&w.down, act.hidden, act.x, spec.width, 0, 0, Epilogue::kAdd, Count::kTokens});
}

}  // namespace

Pass reading_pass(const ModelSpec& spec, const Weights& weights, const Activations& act) {
  Pass pass;
  pass.body.emplace_back(kernels::Embed{&weights.embedding, act.x});
  for (uint32_t i = 0; i < spec.layers.size(); ++i) add_reading_layer(spec, weights, act, i, pass.body);
  pass.head.emplace_back(
      kernels::Norm{act.x, weights.output_norm, act.outputs, spec.width, spec.norm_epsilon, true});
  pass.head.emplace_back(kernels::Product{&weights.output(), act.outputs, act.logits, spec.vocabulary, 0, 0,
                                          Epilogue::kStore, Count::kOutputs});
  return pass;
}

Pass step_pass(const ModelSpec& spec, const Weights& weights, const Activations& activations,
               const kernels::Kernels& kernels, uint32_t sequences) {
  return StepBuilder(spec, weights, activations, kernels, sequences).build();
}

}  // namespace caldera::model
