#include "plan/working_memory.hpp"

#include <algorithm>

namespace caldera::plan {
namespace {

template <class Of>
uint64_t widest(const ModelShape& shape, Of of) {
  uint64_t most = 0;
  for (const LayerShape& layer : shape.layers) most = std::max<uint64_t>(most, of(layer));
  return most;
}

}  // namespace

uint64_t half_layer_bytes(uint32_t kv_heads, uint32_t head, KvFormat format) {
  const uint64_t elements = uint64_t{kv_heads} * kPageTokens * head;
  switch (format) {
    case KvFormat::kF16:
      return elements * 2;
    case KvFormat::kQ8_0:
      return elements / 32 * 34;
    case KvFormat::kQ4_0:
      return elements / 32 * 18;
  }
  return 0;
}

uint64_t page_bytes(const ModelShape& shape, KvFormats formats) {
  uint64_t bytes = 0;
  for (const LayerShape& layer : shape.layers) {
    bytes += half_layer_bytes(layer.kv_heads, layer.head, formats.keys) +
             half_layer_bytes(layer.kv_heads, layer.head, formats.values);
  }
  return bytes;
}

ProgramBytes program_bytes(const ModelShape& shape, const BatchLimits& limits, bool gate_apart) {
  constexpr uint64_t kFloat = sizeof(float);
  const uint64_t row = limits.tokens * kFloat;
  const uint64_t hidden = row * widest(shape, [](const LayerShape& layer) {
                            return uint64_t{layer.ffn} * std::max(1U, layer.experts_used);
                          });
  const uint64_t rotated =
      shape.rotated > 0 ? shape.rotated : widest(shape, [](const LayerShape& layer) { return layer.head; });
  ProgramBytes bytes;
  bytes.x = row * shape.width;
  bytes.normed = row * shape.width;
  bytes.qkv = row * widest(shape, [](const LayerShape& layer) {
                return (layer.heads + uint64_t{2} * layer.kv_heads) * layer.head;
              });
  bytes.attended =
      row * widest(shape, [](const LayerShape& layer) { return uint64_t{layer.heads} * layer.head; });
  bytes.hidden = hidden;
  bytes.gate = gate_apart ? hidden : 0;
  bytes.up = gate_apart ? hidden : 0;
  // Each part also carries its largest score and the sum of its weights.
  bytes.parts = kAttentionParts * kFloat * widest(shape, [](const LayerShape& layer) {
                  return uint64_t{layer.heads} * (layer.head + 2);
                });
  bytes.rope_table = (kRopeFineRows + uint64_t{limits.context} / kRopeFineRows + 1) * rotated * kFloat;
  bytes.logits = uint64_t{limits.outputs} * shape.vocabulary * kFloat;
  bytes.outputs = uint64_t{limits.outputs} * shape.width * kFloat;
  bytes.sampler = sampler_bytes(limits.decode_tokens, shape.vocabulary);
  const uint64_t tokens = std::min(limits.tokens, kInt8Tokens);  // those of steps are fewer
  const auto vectors = [&](uint64_t columns) { return tokens * int8_vector_bytes(columns); };
  bytes.normed_int8 = vectors(shape.width);
  bytes.attended_int8 =
      vectors(widest(shape, [](const LayerShape& layer) { return uint64_t{layer.heads} * layer.head; }));
  bytes.hidden_int8 = vectors(widest(shape, [](const LayerShape& layer) { return layer.ffn; }));
  bytes.outputs_int8 = 2 * kVectorTile * int8_vector_bytes(shape.width);
  bytes.counters = limits.decode_tokens * sizeof(uint32_t) *
                   widest(shape, [](const LayerShape& layer) { return layer.heads; });
  return bytes;
}

}  // namespace caldera::plan
