#include "model/plan_shape.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <string>
#include <utility>

#include "caldera/error.hpp"
#include "plan/footprint.hpp"
#include "plan/weight_format.hpp"
#include "quant/gguf_types.hpp"

namespace caldera::model {
namespace {

/// No sensible model keeps as much of a token; beyond it, sums over a context would leave 64 bits.
constexpr uint64_t kMostKvPerToken = uint64_t{1} << 32;

plan::Part part_of(const gguf::Tensor& tensor, const std::string& name) {
  if (tensor.rows() == 1) return plan::Part::kVectors;
  if (name == "token_embd.weight") return plan::Part::kEmbedding;
  if (name == "output.weight") return plan::Part::kOutput;
  if (name.find("_exps.") != std::string::npos) return plan::Part::kExperts;
  return name.find("attn") != std::string::npos ? plan::Part::kAttention : plan::Part::kFeedForward;
}

/// The file's tensors, those of one name together.
std::vector<plan::TensorShape> tensors_of(const gguf::File& file) {
  std::vector<std::vector<plan::TensorShape>> by_name;
  std::map<std::string, size_t> places;
  for (const gguf::Tensor& tensor : file.tensors()) {
    // Frequency factors go into the rope table, which is counted by itself.
    if (tensor.name == "rope_freqs.weight") continue;
    const auto format = plan::weight_format(tensor.type);
    if (!format) {
      throw Error(ErrorKind::kUnsupported, fmt::format("tensor {} is of {}, whose size is not known",
                                                       tensor.name, quant::gguf_type_name(tensor.type)));
    }
    const std::string name = gguf::without_layer(tensor.name);
    const auto [place, added] = places.try_emplace(name, by_name.size());
    if (added) by_name.emplace_back();
    std::vector<plan::TensorShape>& alike = by_name[place->second];
    const auto same = std::ranges::find_if(alike, [&](const plan::TensorShape& one) {
      return one.rows == tensor.rows() && one.columns == tensor.columns() && one.format.name == format->name;
    });
    if (same != alike.end()) {
      ++same->count;
    } else {
      alike.push_back({name, part_of(tensor, name), tensor.rows(), tensor.columns(), 1, *format});
    }
  }
  std::vector<plan::TensorShape> all;
  for (std::vector<plan::TensorShape>& alike : by_name) std::ranges::move(alike, std::back_inserter(all));
  return all;
}

/// Keys that most architectures have, under their own prefix.
class Keys {
 public:
  Keys(const gguf::Metadata& metadata, std::string_view architecture)
      : metadata_(metadata), prefix_(fmt::format("{}.", architecture)) {}

  uint32_t number(const std::string& key, std::optional<uint32_t> otherwise, uint64_t most) const {
    const std::string name = prefix_ + key;
    if (otherwise && !metadata_.has(name)) return *otherwise;
    return in_range(name, metadata_.required_integer(name), most);
  }

  /// One number for all layers, or an array with one a layer; layers beyond the array have the last.
  std::vector<uint32_t> each_layer(const std::string& key, std::optional<uint32_t> otherwise, uint32_t layers,
                                   uint64_t most) const {
    const std::string name = prefix_ + key;
    const gguf::Value* value = metadata_.find(name);
    if (value == nullptr || !std::holds_alternative<gguf::Array>(*value))
      return std::vector<uint32_t>(layers, number(key, otherwise, most));
    std::vector<uint32_t> result;
    for (const int64_t entry : metadata_.integers(name).value_or(std::vector<int64_t>())) {
      if (result.size() == layers) break;
      result.push_back(in_range(name, static_cast<uint64_t>(std::max<int64_t>(entry, 0)), most));
    }
    if (result.empty()) throw Error(ErrorKind::kFormat, fmt::format("{} is an empty array", name));
    result.resize(layers, result.back());
    return result;
  }

 private:
  static uint32_t in_range(const std::string& name, uint64_t value, uint64_t most) {
    if (value <= most) return static_cast<uint32_t>(value);
    throw Error(ErrorKind::kFormat, fmt::format("{} is {}, and up to {} makes sense", name, value, most));
  }

  const gguf::Metadata& metadata_;
  std::string prefix_;
};

/// What memory and speed depend on, by the metadata alone.
plan::ModelShape read_dimensions(const gguf::File& file) {
  const gguf::Metadata& metadata = file.metadata();
  plan::ModelShape shape;
  shape.architecture = metadata.required_string("general.architecture");
  shape.name = metadata.string("general.name").value_or(std::string_view());
  const Keys keys(metadata, shape.architecture);
  shape.width = keys.number("embedding_length", std::nullopt, 1U << 20);
  shape.context = keys.number("context_length", 4096, kMaxContext);
  const uint32_t layers = keys.number("block_count", std::nullopt, 4096);
  const std::vector<uint32_t> heads = keys.each_layer("attention.head_count", std::nullopt, layers, 65536);
  const uint32_t most_heads = heads.empty() ? 0 : *std::ranges::max_element(heads);
  if (shape.width == 0 || shape.context == 0 || most_heads == 0) {
    throw Error(ErrorKind::kFormat,
                fmt::format("the metadata of '{}' says of a width, a context or heads that they are 0",
                            shape.architecture));
  }
  const std::vector<uint32_t> kv_heads =
      keys.each_layer("attention.head_count_kv", most_heads, layers, 65536);
  // Keys and values may differ in length; what is kept of a token is their sum.
  const uint32_t key = keys.number("attention.key_length", shape.width / most_heads, 65536);
  const uint32_t value = keys.number("attention.value_length", key, 65536);
  const std::vector<uint32_t> ffn = keys.each_layer("feed_forward_length", 0, layers, 1U << 24);
  const uint32_t experts = keys.number("expert_count", 0, 65536);
  const uint32_t experts_used = keys.number("expert_used_count", 0, 65536);
  const uint32_t expert_ffn = keys.number("expert_feed_forward_length", 0, 1U << 24);
  for (uint32_t i = 0; i < layers; ++i) {
    plan::LayerShape layer;
    layer.heads = heads[i];
    layer.kv_heads = kv_heads[i];
    layer.head = (key + value + 1) / 2;
    layer.ffn = experts > 0 && expert_ffn > 0 ? expert_ffn : ffn[i];
    layer.experts = experts;
    layer.experts_used = std::min(experts, experts_used);
    shape.layers.push_back(layer);
  }
  if (plan::kv_bytes_per_token(shape, plan::KvFormat::kF16) > kMostKvPerToken) {
    throw Error(ErrorKind::kFormat,
                fmt::format("the heads that the metadata of '{}' tells of would keep more "
                            "than 4 GiB of each token",
                            shape.architecture));
  }
  return shape;
}

plan::ModelShape with_tensors(plan::ModelShape shape, const gguf::File& file) {
  const gguf::Tensor* embedding = file.find("token_embd.weight");
  if (embedding != nullptr)
    shape.vocabulary = static_cast<uint32_t>(std::min<uint64_t>(embedding->rows(), 1U << 24));
  shape.tied = file.find("output.weight") == nullptr;
  if (shape.name.empty()) shape.name = file.paths()[0].filename().string();
  shape.tensors = tensors_of(file);
  return shape;
}

}  // namespace

plan::ModelShape plan_shape(const ModelSpec& spec) {
  plan::ModelShape shape;
  shape.name = spec.name;
  shape.architecture = spec.architecture;
  shape.width = spec.width;
  shape.vocabulary = spec.vocabulary;
  shape.context = spec.context;
  shape.rope_base = spec.rope.base;
  shape.rotated = spec.rope.rotated;
  shape.norm_epsilon = spec.norm_epsilon;
  shape.layers.reserve(spec.layers.size());
  for (const LayerSpec& layer : spec.layers)
    shape.layers.push_back({layer.heads, layer.kv_heads, layer.head, layer.ffn, 0, 0, layer.qk_norm});
  return shape;
}

plan::ModelShape plan_shape(const ModelSpec& spec, const gguf::File& file) {
  return with_tensors(plan_shape(spec), file);
}

plan::ModelShape plan_shape(const gguf::File& file) {
  try {
    return plan_shape(read_spec(file), file);
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::kUnsupported) throw;
  }
  return with_tensors(read_dimensions(file), file);
}

}  // namespace caldera::model
