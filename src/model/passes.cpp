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
kernels::AttentionShape attention_shape(const ModelSpec& spec, plan::KvFormats kv, uint32_t index) {
  const auto bytes = [](const LayerSpec& one, plan::KvFormat format) {
    return plan::half_layer_bytes(one.kv_heads, one.head, format);
  };
  uint64_t before = 0;
  for (uint32_t i = 0; i < index; ++i) {
    before += bytes(spec.layers[i], kv.keys) + bytes(spec.layers[i], kv.values);
  }
  const LayerSpec& layer = spec.layers[index];
  return {layer.heads,
          layer.kv_heads,
          layer.head,
          static_cast<uint32_t>(before),
          static_cast<uint32_t>(bytes(layer, kv.keys)),
          layer.window,
          kv.keys,
          kv.values};
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

/// Norm and output product.
std::vector<Operation> output_head(const ModelSpec& spec, const Weights& weights, const Activations& act) {
  return {kernels::Norm{act.x, weights.output_norm, act.outputs, spec.width, spec.norm_epsilon, true},
          kernels::Product{&weights.output(), act.outputs, act.logits, spec.vocabulary, 0, 0,
                           Epilogue::kStore, Count::kOutputs}};
}

/// The same by int8 vectors, each output as the sum of two: with one alone, rounding would go straight into
/// the logits.
std::vector<Operation> few_outputs_head(const ModelSpec& spec, const Weights& weights,
                                        const Activations& act) {
  if (!kernels::Kernels::takes_int8(weights.output())) return {};
  constexpr uint32_t kTerms = 2;
  kernels::Product product{&weights.output(), act.outputs_int8, act.logits,    spec.vocabulary, 0, 0,
                           Epilogue::kStore,  Count::kOutputs,  Input::kNormed};
  product.epsilon = spec.norm_epsilon;
  product.terms = kTerms;
  return {kernels::Norm{
              act.x, weights.output_norm, {}, spec.width, spec.norm_epsilon, true, act.outputs_int8, kTerms},
          product};
}

/// Adds the operations of passes whose products take int8 vectors where they can: of steps, or of prompts,
/// whose attention is another.
class Int8Builder {
 public:
  Int8Builder(const ModelSpec& spec, const Weights& weights, const Activations& activations, bool prompts)
      : spec_(spec), weights_(weights), act_(activations), prompts_(prompts) {}

  Pass build() {
    Pass pass;
    to_ = &pass.body;
    to_->emplace_back(kernels::Embed{&weights_.embedding, act_.x});
    for (uint32_t i = 0; i < spec_.layers.size(); ++i) add_layer(i);
    pass.head = output_head(spec_, weights_, act_);
    pass.few_head = few_outputs_head(spec_, weights_, act_);
    return pass;
  }

 private:
  static bool takes_int8(const kernels::Product& product) {
    return kernels::Kernels::takes_int8(*product.weights);
  }

  /// Lets products take the residual stream, normalised: what the operation before made of it, or else one of
  /// its own.
  void feed_normed(uint64_t norm, std::span<kernels::Product> products) {
    const bool all = std::ranges::all_of(products, takes_int8);
    const bool any = std::ranges::any_of(products, takes_int8);
    for (kernels::Product& product : products) {
      product.input = takes_int8(product) ? Input::kNormed : Input::kF32;
      product.x = takes_int8(product) ? act_.normed_int8 : act_.normed;
      product.epsilon = spec_.norm_epsilon;
    }
    auto* const before = std::get_if<kernels::Product>(&to_->back());
    if (all && before != nullptr && before->input != Input::kF32 && before->epilogue == Epilogue::kAdd &&
        kernels::Kernels::makes_int8(*before->weights, Epilogue::kAdd)) {
      before->out_int8 = act_.normed_int8;
      before->out_norm = norm;
      return;
    }
    to_->emplace_back(kernels::Norm{act_.x, norm, all ? Range{} : act_.normed, spec_.width,
                                    spec_.norm_epsilon, false, any ? act_.normed_int8 : Range{}});
  }

  /// The product of activations that are there in the form it wants, added to the residual stream.
  void add_residual(kernels::Product product) {
    product.out = act_.x;
    product.out_stride = spec_.width;
    product.epilogue = Epilogue::kAdd;
    to_->emplace_back(product);
  }

  void add_layer(uint32_t index) {
    const LayerSpec& layer = spec_.layers[index];
    const LayerWeights& w = weights_.layers[index];
    const kernels::AttentionShape shape = attention_shape(spec_, act_.kv, index);

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

    kernels::Product output{&w.attention_output, act_.attended, {}, 0, 0, w.attention_output_bias,
                            Epilogue::kAdd,      Count::kTokens};
    // A head of attention makes whole units of an int8 vector, or floats.
    const bool int8 = takes_int8(output) && layer.head % 32 == 0;
    if (int8) {
      output.input = Input::kInt8;
      output.x = act_.attended_int8;
    }
    if (prompts_) {
      to_->emplace_back(rope(spec_, w, shape, act_));
      to_->emplace_back(
          kernels::Attention{shape, act_.qkv, act_.attended, act_.parts, act_.page_tables, kAllKv});
      if (int8) {
        to_->emplace_back(kernels::Quantize{act_.attended, act_.attended_int8, layer.heads * layer.head});
      }
    } else {
      to_->emplace_back(kernels::DecodeAttention{
          rope(spec_, w, shape, act_),
          {shape, act_.qkv, int8 ? Range{} : act_.attended, act_.parts, act_.page_tables, kAllKv},
          int8 ? act_.attended_int8 : Range{},
          act_.counters});
    }
    add_residual(output);
    add_feed_forward(layer, w);
  }

  void add_feed_forward(const LayerSpec& layer, const LayerWeights& w) {
    kernels::Product down{&w.down, act_.hidden, {}, 0, 0, 0, Epilogue::kAdd, Count::kTokens};
    const auto take_int8 = [&] {
      down.input = Input::kInt8;
      down.x = act_.hidden_int8;
    };
    if (w.gate_up.parts.size() == 1) {
      kernels::Product product{&w.gate_up.parts[0], {}, act_.hidden, layer.ffn, 0, 0, Epilogue::kSwiGlu,
                               Count::kTokens};
      if (takes_int8(down) && kernels::Kernels::makes_int8(*product.weights, Epilogue::kSwiGlu)) {
        take_int8();
        product.out_int8 = act_.hidden_int8;
      }
      feed_normed(w.ffn_norm, {&product, 1});
      to_->emplace_back(product);
    } else {
      std::vector<kernels::Product> products{
          {&w.gate_up.parts[0], {}, act_.gate, layer.ffn, 0, 0, Epilogue::kStore, Count::kTokens},
          {&w.gate_up.parts[1], {}, act_.up, layer.ffn, 0, 0, Epilogue::kStore, Count::kTokens}};
      feed_normed(w.ffn_norm, products);
      for (const kernels::Product& product : products) to_->emplace_back(product);
      const bool int8 = takes_int8(down);
      if (int8) take_int8();
      to_->emplace_back(kernels::SwiGlu{act_.gate, act_.up, int8 ? Range{} : act_.hidden, layer.ffn,
                                        int8 ? act_.hidden_int8 : Range{}});
    }
    add_residual(down);
  }

  const ModelSpec& spec_;
  const Weights& weights_;
  const Activations& act_;
  const bool prompts_;
  std::vector<Operation>* to_ = nullptr;
};

/// What add_layer() is for.
enum class Layers { kReading, kHalfReading, kHalfStep };

/// With halves, what products take is f16, in the same buffers; but what attention of steps makes is f32,
/// and rounded as it is loaded.
void add_layer(const ModelSpec& spec, const Weights& weights, const Activations& act, uint32_t index,
               Layers kind, std::vector<Operation>& to) {
  const bool half = kind != Layers::kReading;
  const bool steps = kind == Layers::kHalfStep;
  const LayerSpec& layer = spec.layers[index];
  const LayerWeights& w = weights.layers[index];
  const kernels::AttentionShape shape = attention_shape(spec, act.kv, index);
  const uint32_t width = qkv_width(layer);
  const Input input = half ? Input::kHalf : Input::kF32;
  const auto normalise = [&](uint64_t norm) {
    kernels::Norm op{act.x, norm, act.normed, spec.width, spec.norm_epsilon, false};
    op.half = half;
    to.emplace_back(op);
  };

  const auto multiply = [&](kernels::Product product) {
    if (half) {
      product.part_sums = act.parts;
      product.part_counters = act.counters;
    }
    to.emplace_back(product);
  };

  normalise(w.attention_norm);
  uint32_t first = 0;
  for (const kernels::Matrix& part : w.qkv.parts) {
    const uint64_t bias = w.qkv.bias != 0 ? w.qkv.bias + uint64_t{first} * sizeof(float) : 0;
    kernels::Product product{&part, act.normed,       act.qkv,        width, first,
                             bias,  Epilogue::kStore, Count::kTokens, input};
    product.beside = half && first > 0;
    multiply(product);
    first += part.rows;
  }
  kernels::Attention attention{shape, act.qkv, act.attended, act.parts, act.page_tables, kAllKv};
  if (steps) {
    to.emplace_back(kernels::DecodeAttention{rope(spec, w, shape, act), attention, {}, act.counters});
  } else {
    attention.half_out = half;
    to.emplace_back(rope(spec, w, shape, act));
    to.emplace_back(attention);
  }
  multiply({&w.attention_output, act.attended, act.x, spec.width, 0, w.attention_output_bias, Epilogue::kAdd,
            Count::kTokens, steps ? Input::kF32 : input});

  normalise(w.ffn_norm);
  if (w.gate_up.parts.size() == 1) {
    kernels::Product product{&w.gate_up.parts[0], act.normed,     act.hidden, layer.ffn, 0, 0,
                             Epilogue::kSwiGlu,   Count::kTokens, input};
    product.half_out = half;
    multiply(product);
  } else {
    multiply({&w.gate_up.parts[0], act.normed, act.gate, layer.ffn, 0, 0, Epilogue::kStore, Count::kTokens,
              input});
    multiply(
        {&w.gate_up.parts[1], act.normed, act.up, layer.ffn, 0, 0, Epilogue::kStore, Count::kTokens, input});
    kernels::SwiGlu op{act.gate, act.up, act.hidden, layer.ffn};
    op.half = half;
    to.emplace_back(op);
  }
  kernels::Product down{&w.down, act.hidden, act.x, spec.width, 0, 0, Epilogue::kAdd, Count::kTokens, input};
  if (half) down.half_scale = kernels::kHiddenScale;
  multiply(down);
}

Pass pass_of(const ModelSpec& spec, const Weights& weights, const Activations& act, Layers kind) {
  Pass pass;
  pass.body.emplace_back(kernels::Embed{&weights.embedding, act.x});
  for (uint32_t i = 0; i < spec.layers.size(); ++i) add_layer(spec, weights, act, i, kind, pass.body);
  pass.head = output_head(spec, weights, act);
  return pass;
}

}  // namespace

Pass reading_pass(const ModelSpec& spec, const Weights& weights, const Activations& act, bool half) {
  return pass_of(spec, weights, act, half ? Layers::kHalfReading : Layers::kReading);
}

Pass half_step_pass(const ModelSpec& spec, const Weights& weights, const Activations& act) {
  return pass_of(spec, weights, act, Layers::kHalfStep);
}

Pass step_pass(const ModelSpec& spec, const Weights& weights, const Activations& activations) {
  return Int8Builder(spec, weights, activations, false).build();
}

Pass int8_reading_pass(const ModelSpec& spec, const Weights& weights, const Activations& activations) {
  return Int8Builder(spec, weights, activations, true).build();
}

std::vector<kernels::RopeShift> shift_pass(const ModelSpec& spec, plan::KvFormats kv) {
  std::vector<kernels::RopeShift> shifts;
  for (uint32_t i = 0; i < spec.layers.size(); ++i) {
    const kernels::AttentionShape shape = attention_shape(spec, kv, i);
    if (!shifts.empty() && shifts.back().shape.kv_heads == shape.kv_heads &&
        shifts.back().shape.head == shape.head) {
      kernels::RopeShift& same = shifts.back();
      if (same.layers == 1) same.layer_bytes = shape.layer_offset - same.shape.layer_offset;
      ++same.layers;
    } else {
      shifts.push_back({shape, 1, 0, spec.rope.rotated, spec.rope.neox, kAllKv});
    }
  }
  return shifts;
}

}  // namespace caldera::model
