#include "model/placer.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>

#include "caldera/error.hpp"
#include "plan/size_text.hpp"

namespace caldera::model {
namespace {

LayerWeights place_layer(Placer& placer, const ModelSpec& spec, uint32_t index) {
  const LayerSpec& layer = spec.layers[index];
  const auto in_layer = [&](std::string_view tensor) { return TensorName{tensor, index}; };
  const uint64_t q_rows = uint64_t{layer.heads} * layer.head;
  const uint64_t kv_rows = uint64_t{layer.kv_heads} * layer.head;
  LayerWeights weights;
  weights.attention_norm = placer.vectors({{in_layer("attn_norm.weight"), spec.width}});
  weights.qkv = placer.matrices({{in_layer("attn_q.weight"), q_rows},
                                 {in_layer("attn_k.weight"), kv_rows},
                                 {in_layer("attn_v.weight"), kv_rows}},
                                spec.width, RowOrder::kConcatenated);
  if (placer.has(in_layer("attn_q.bias"))) {
    weights.qkv.bias = placer.vectors({{in_layer("attn_q.bias"), q_rows},
                                       {in_layer("attn_k.bias"), kv_rows},
                                       {in_layer("attn_v.bias"), kv_rows}});
  }
  if (layer.qk_norm) {
    weights.query_norm = placer.vectors({{in_layer("attn_q_norm.weight"), layer.head}});
    weights.key_norm = placer.vectors({{in_layer("attn_k_norm.weight"), layer.head}});
  }
  weights.attention_output = placer.matrix({in_layer("attn_output.weight"), spec.width}, q_rows);
  if (placer.has(in_layer("attn_output.bias"))) {
    weights.attention_output_bias = placer.vectors({{in_layer("attn_output.bias"), spec.width}});
  }
  weights.ffn_norm = placer.vectors({{in_layer("ffn_norm.weight"), spec.width}});
  weights.gate_up =
      placer.matrices({{in_layer("ffn_gate.weight"), layer.ffn}, {in_layer("ffn_up.weight"), layer.ffn}},
                      spec.width, RowOrder::kAlternating);
  weights.down = placer.matrix({in_layer("ffn_down.weight"), spec.width}, layer.ffn);
  return weights;
}

}  // namespace

std::string TensorName::in_file() const {
  return layer ? fmt::format("blk.{}.{}", *layer, tensor) : std::string(tensor);
}

uint64_t segment_rows(uint64_t max_allocation, uint64_t row_bytes) {
  const uint64_t rows = max_allocation / row_bytes;
  for (const uint64_t together : {uint64_t{kernels::kMostUnitRows}, uint64_t{2}}) {
    if (rows >= together) return rows / together * together;
  }
  return 2;
}

Weights place_weights(Placer& placer, const ModelSpec& spec) {
  Weights weights;
  const bool tied = !placer.has({"output.weight"});
  const auto place_embedding = [&] {
    weights.embedding = placer.matrix({{"token_embd.weight"}, spec.vocabulary}, spec.width);
  };
  if (tied) place_embedding();
  if (placer.has({"rope_freqs.weight"})) {
    weights.rope_factors = placer.host_vector({"rope_freqs.weight"}, spec.rope.rotated / 2);
  }
  for (uint32_t i = 0; i < spec.layers.size(); ++i) weights.layers.push_back(place_layer(placer, spec, i));
  weights.output_norm = placer.vectors({{{"output_norm.weight"}, spec.width}});
  if (!tied) {
    weights.output_matrix = placer.matrix({{"output.weight"}, spec.vocabulary}, spec.width);
    place_embedding();
  }
  return weights;
}

PreparedMemory::PreparedMemory(vulkan::Device& device, const std::vector<uint64_t>& sizes,
                               const ContextRoom& context)
    : device_(device) {
  using plan::size_text;
  vulkan::MemoryPool& pool = device.memory();
  const uint64_t weights = std::accumulate(sizes.begin(), sizes.end(), uint64_t{0});
  const vulkan::MemoryPool::Room room = pool.room();
  if (context.least > room.near) {
    throw Error(
        ErrorKind::kMemory,
        fmt::format("the context and the activations need {} of the memory that {} reads at full speed, "
                    "which has {} left: ask for a smaller context or fewer sequences",
                    size_text(context.least), device.physical().info.name, size_text(room.near)));
  }
  if (weights + context.least > room.all) {
    throw Error(
        ErrorKind::kMemory,
        fmt::format("the weights need {} and the context {}, and {} has {} for them: 'caldera plan' says "
                    "what fits, 'caldera doctor' how this machine could give more",
                    size_text(weights), size_text(context.least), device.physical().info.name,
                    size_text(room.all)));
  }
  // On one memory what the weights do not need is the context's anyway.
  const uint64_t left = room.near > weights ? room.near - weights : 0;
  const bool spills = room.all > room.near;
  pool.hold(spills ? std::min(context.wished, room.near) : std::clamp(left, context.least, context.wished));
  pool.expect(sizes);
}

PreparedMemory::~PreparedMemory() {
  device_.memory().expect({});
  device_.memory().hold(0);
  // A lost device cannot be waited for; whoever uses it next will hear of it.
  try {
    device_.end_uploads();
  } catch (const Error&) {
  }
}

}  // namespace caldera::model
