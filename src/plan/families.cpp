#include "plan/families.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cctype>
#include <string>

#include "caldera/error.hpp"
#include "plan/mixtures.hpp"
#include "plan/weight_format.hpp"

namespace caldera::plan {
namespace {

constexpr uint32_t kLlamaVocabulary = 128256;
constexpr uint32_t kQwenVocabulary = 151936;
constexpr uint32_t kSmolVocabulary = 49152;

constexpr Family llama(std::string_view name, uint32_t context, uint32_t layers, uint32_t width,
                       const LayerShape& layer, bool tied = false) {
  return {name, "llama", layers, width, kLlamaVocabulary, context, tied, 500000, 1e-5, layer};
}

constexpr Family qwen3(std::string_view name, uint32_t layers, uint32_t width, const LayerShape& layer,
                       bool tied = false) {
  const std::string_view architecture = layer.experts > 0 ? "qwen3moe" : "qwen3";
  return {name, architecture, layers, width, kQwenVocabulary, 40960, tied, 1e6, 1e-6, layer};
}

constexpr Family smollm2(std::string_view name, uint32_t layers, uint32_t width, const LayerShape& layer,
                         double rope_base = 100000) {
  return {name, "llama", layers, width, kSmolVocabulary, 8192, true, rope_base, 1e-5, layer};
}

// heads, KV heads, dimensions of a head, feed-forward width; experts, of which active; norm of queries and
// keys
constexpr LayerShape kLlama8{32, 8, 128, 14336};
constexpr LayerShape kLlama70{64, 8, 128, 28672};

// Source: config.json of each model at https://huggingface.co/meta-llama, /Qwen and /HuggingFaceTB.
constexpr Family kFamilies[] = {
    llama("llama-3-8b", 8192, 32, 4096, kLlama8),
    llama("llama-3-70b", 8192, 80, 8192, kLlama70),
    llama("llama-3.1-8b", 131072, 32, 4096, kLlama8),
    llama("llama-3.1-70b", 131072, 80, 8192, kLlama70),
    llama("llama-3.1-405b", 131072, 126, 16384, {128, 8, 128, 53248}),
    llama("llama-3.2-1b", 131072, 16, 2048, {32, 8, 64, 8192}, true),
    llama("llama-3.2-3b", 131072, 28, 3072, {24, 8, 128, 8192}, true),
    llama("llama-3.3-70b", 131072, 80, 8192, kLlama70),
    qwen3("qwen3-0.6b", 28, 1024, {16, 8, 128, 3072, 0, 0, true}, true),
    qwen3("qwen3-1.7b", 28, 2048, {16, 8, 128, 6144, 0, 0, true}, true),
    qwen3("qwen3-4b", 36, 2560, {32, 8, 128, 9728, 0, 0, true}, true),
    qwen3("qwen3-8b", 36, 4096, {32, 8, 128, 12288, 0, 0, true}),
    qwen3("qwen3-14b", 40, 5120, {40, 8, 128, 17408, 0, 0, true}),
    qwen3("qwen3-32b", 64, 5120, {64, 8, 128, 25600, 0, 0, true}),
    qwen3("qwen3-30b-a3b", 48, 2048, {32, 4, 128, 768, 128, 8, true}),
    qwen3("qwen3-235b-a22b", 94, 4096, {64, 4, 128, 1536, 128, 8, true}),
    smollm2("smollm2-135m", 30, 576, {9, 3, 64, 1536}),
    smollm2("smollm2-360m", 32, 960, {15, 5, 64, 2560}),
    smollm2("smollm2-1.7b", 24, 2048, {32, 32, 64, 8192}, 130000),
};

const Family* find_family(std::string_view name) {
  const auto* const found = std::ranges::find(kFamilies, name, &Family::name);
  return found != std::end(kFamilies) ? found : nullptr;
}

/// The family's dimensions, with the tensors that its architecture has (named as in GGUF files).
ModelShape unmixed(const Family& family) {
  ModelShape shape;
  shape.architecture = family.architecture;
  shape.width = family.width;
  shape.vocabulary = family.vocabulary;
  shape.context = family.context;
  shape.tied = family.tied;
  shape.rope_base = family.rope_base;
  shape.norm_epsilon = family.norm_epsilon;
  shape.layers.assign(family.layers, family.layer);

  const LayerShape& layer = family.layer;
  const uint64_t width = family.width;
  const uint64_t queries = uint64_t{layer.heads} * layer.head;
  const uint64_t keys = uint64_t{layer.kv_heads} * layer.head;
  const uint64_t ffn = uint64_t{layer.ffn} * std::max(1U, layer.experts);
  const bool experts = layer.experts > 0;
  const Part feed_forward = experts ? Part::kExperts : Part::kFeedForward;
  const std::string suffix = experts ? "_exps.weight" : ".weight";
  const WeightFormat plain = weight_format("F32");
  const auto add = [&](const std::string& name, Part part, uint64_t rows, uint64_t columns, uint32_t count) {
    shape.tensors.push_back({name, part, rows, columns, count, plain});
  };
  const auto add_layers = [&](const std::string& name, Part part, uint64_t rows, uint64_t columns) {
    add("blk.N." + name, part, rows, columns, family.layers);
  };
  add("token_embd.weight", Part::kEmbedding, family.vocabulary, width, 1);
  add_layers("attn_norm.weight", Part::kVectors, 1, width);
  add_layers("attn_q.weight", Part::kAttention, queries, width);
  add_layers("attn_k.weight", Part::kAttention, keys, width);
  add_layers("attn_v.weight", Part::kAttention, keys, width);
  if (layer.qk_norm) {
    add_layers("attn_q_norm.weight", Part::kVectors, 1, layer.head);
    add_layers("attn_k_norm.weight", Part::kVectors, 1, layer.head);
  }
  add_layers("attn_output.weight", Part::kAttention, width, queries);
  add_layers("ffn_norm.weight", Part::kVectors, 1, width);
  if (experts) add_layers("ffn_gate_inp.weight", Part::kFeedForward, layer.experts, width);
  add_layers("ffn_gate" + suffix, feed_forward, ffn, width);
  add_layers("ffn_up" + suffix, feed_forward, ffn, width);
  add_layers("ffn_down" + suffix, feed_forward, width * std::max(1U, layer.experts), layer.ffn);
  add("output_norm.weight", Part::kVectors, 1, width, 1);
  if (!family.tied) add("output.weight", Part::kOutput, family.vocabulary, width, 1);
  return shape;
}

}  // namespace

std::span<const Family> families() {
  return kFamilies;
}

ModelShape shape_named(std::string_view name) {
  std::string small(name);
  std::ranges::transform(small, small.begin(), [](unsigned char c) { return std::tolower(c); });
  const size_t colon = small.find(':');
  const Family* family = find_family(std::string_view(small).substr(0, colon));
  if (family == nullptr) {
    std::vector<std::string_view> names;
    for (const Family& row : kFamilies) names.push_back(row.name);
    throw Error(ErrorKind::kUsage,
                fmt::format("there is no model '{}': there are {}, each followed by : and "
                            "a format, as in llama-3.1-8b:q4_k_m",
                            small.substr(0, std::min<size_t>(colon, 80)), fmt::join(names, ", ")));
  }
  if (colon == std::string::npos) {
    throw Error(ErrorKind::kUsage,
                fmt::format("'{}' needs a format after it, as in {}:q4_k_m; 'caldera plan --list' lists them",
                            family->name, family->name));
  }
  ModelShape shape = mixed(unmixed(*family), find_mixture(std::string_view(small).substr(colon + 1)));
  shape.name = small;
  return shape;
}

bool names_shape(std::string_view name) {
  return name.find('/') == std::string_view::npos && !name.ends_with(".gguf") &&
         (name.find(':') != std::string_view::npos || find_family(name) != nullptr);
}

}  // namespace caldera::plan
