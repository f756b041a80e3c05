#include "model/spec.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>

#include "caldera/error.hpp"

namespace caldera::model {
namespace {

/// Looks keys up under the architecture's own prefix.
class Reader {
 public:
  Reader(const gguf::Metadata& metadata, std::string_view architecture)
      : metadata_(metadata), prefix_(std::string(architecture) + ".") {}

  uint32_t required(std::string_view key, uint64_t low, uint64_t high) const {
    return in_range(prefix_ + std::string(key), metadata_.required_integer(prefix_ + std::string(key)), low,
                    high);
  }
  uint32_t optional(std::string_view key, uint32_t otherwise, uint64_t low, uint64_t high) const {
    const std::string name = prefix_ + std::string(key);
    const auto value = metadata_.integer(name);
    return value ? in_range(name, *value, low, high) : otherwise;
  }
  double number(std::string_view key, double otherwise) const {
    const std::string name = prefix_ + std::string(key);
    const double value = metadata_.number(name).value_or(otherwise);
    if (!std::isfinite(value))
      throw Error(ErrorKind::kFormat, fmt::format("{} is not a finite number", name));
    return value;
  }
  std::string_view text(std::string_view key) const {
    return metadata_.string(prefix_ + std::string(key)).value_or(std::string_view());
  }
  bool has(std::string_view key) const { return metadata_.has(prefix_ + std::string(key)); }
  /// One number for all layers, or an array with one a layer.
  std::vector<uint32_t> each_layer(std::string_view key, uint32_t layers, uint32_t otherwise,
                                   uint64_t high) const {
    const std::string name = prefix_ + std::string(key);
    const gguf::Value* value = metadata_.find(name);
    if (value == nullptr && otherwise > 0) return std::vector<uint32_t>(layers, otherwise);
    if (value == nullptr || !std::holds_alternative<gguf::Array>(*value)) {
      return std::vector<uint32_t>(layers, required(key, 1, high));
    }
    const std::vector<int64_t> numbers = metadata_.integers(name).value_or(std::vector<int64_t>());
    if (numbers.size() != layers) {
      throw Error(ErrorKind::kFormat,
                  fmt::format("{} has {} entries for {} layers", name, numbers.size(), layers));
    }
    std::vector<uint32_t> result;
    for (const int64_t number : numbers) {
      if (number < 1)
        throw Error(ErrorKind::kUnsupported, fmt::format("{} has a layer with {}", name, number));
      result.push_back(in_range(name, static_cast<uint64_t>(number), 1, high));
    }
    return result;
  }

 private:
  static uint32_t in_range(const std::string& name, uint64_t value, uint64_t low, uint64_t high) {
    if (value < low || value > high) {
      throw Error(ErrorKind::kFormat,
                  fmt::format("{} is {}, and {} to {} make sense", name, value, low, high));
    }
    return static_cast<uint32_t>(value);
  }

  const gguf::Metadata& metadata_;
  std::string prefix_;
};

RopeSpec read_rope(const Reader& reader, uint32_t head) {
  RopeSpec rope;
  rope.rotated = reader.optional("rope.dimension_count", head, 4, head);
  rope.base = reader.number("rope.freq_base", 10000);
  if (rope.base <= 0) throw Error(ErrorKind::kFormat, "rope.freq_base is not positive");
  const std::string_view scaling = reader.text("rope.scaling.type");
  rope.factor = reader.number("rope.scaling.factor", reader.number("rope.scale_linear", 1));
  if (rope.factor <= 0) throw Error(ErrorKind::kFormat, "rope.scaling.factor is not positive");
  rope.original_context = reader.number("rope.scaling.original_context_length", 0);
  if (scaling == "yarn") {
    rope.scaling = RopeScaling::kYarn;
    rope.extrapolation = reader.number("rope.scaling.yarn_ext_factor", 1);
    // Some converters write the attention factor under the older name.
    rope.attention_factor =
        reader.number("rope.scaling.yarn_attn_factor", reader.number("rope.scaling.attn_factor", 1));
    rope.beta_fast = reader.number("rope.scaling.yarn_beta_fast", 32);
    rope.beta_slow = reader.number("rope.scaling.yarn_beta_slow", 1);
    if (rope.original_context < 1 || rope.beta_fast <= 0 || rope.beta_slow <= 0) {
      throw Error(ErrorKind::kFormat,
                  "rope.scaling.original_context_length or the betas of YaRN make no sense");
    }
  } else if (scaling == "linear" || (scaling.empty() && rope.factor != 1)) {
    rope.scaling = RopeScaling::kLinear;
  } else if (!scaling.empty() && scaling != "none") {
    throw Error(
        ErrorKind::kUnsupported,
        fmt::format("rope scaling of type '{}' is not supported: none, linear and yarn are", scaling));
  }
  return rope;
}

/// Keys and values: PoolingType of gguf-py/gguf/constants.py in https://github.com/ggml-org/llama.cpp. Files
/// of models that were not made for embeddings say nothing, or that there is no pooling: then the mean, which
/// carries more of a text than the last token of a model that learned to predict the next one alone.
std::optional<Pooling> read_pooling(const Reader& reader) {
  switch (reader.optional("pooling_type", 0, 0, UINT32_MAX)) {
    case 0:
    case 1:
      return Pooling::kMean;
    case 2:
      return Pooling::kFirst;
    case 3:
      return Pooling::kLast;
    default:  // 4: a score, of models that rank texts
      return std::nullopt;
  }
}

}  // namespace

const std::vector<Architecture>& architectures() {
  static const std::vector<Architecture> all{kLlama, kQwen2, kQwen3};
  return all;
}

const Architecture& architecture_named(std::string_view name) {
  const auto& all = architectures();
  const auto found =
      std::find_if(all.begin(), all.end(), [&](const Architecture& one) { return one.name == name; });
  if (found != all.end()) return *found;
  std::vector<std::string_view> names;
  names.reserve(all.size());
  for (const Architecture& one : all) names.push_back(one.name);
  throw Error(ErrorKind::kUnsupported,
              fmt::format("the architecture '{}' is not supported: {} are", name, fmt::join(names, ", ")));
}

ModelSpec read_spec(const gguf::File& file) {
  const gguf::Metadata& metadata = file.metadata();
  ModelSpec spec;
  spec.architecture = metadata.required_string("general.architecture");
  const Architecture& architecture = architecture_named(spec.architecture);
  const Reader reader(metadata, spec.architecture);
  spec.name = metadata.string("general.name").value_or(std::string_view());
  spec.width = reader.required("embedding_length", 32, 1U << 20);
  spec.context = reader.required("context_length", 1, kMaxContext);
  spec.norm_epsilon = static_cast<float>(reader.number("attention.layer_norm_rms_epsilon", 1e-5));
  if (reader.optional("expert_count", 0, 0, UINT32_MAX) > 0) {
    throw Error(ErrorKind::kUnsupported, "models with experts are not supported yet");
  }
  const uint32_t layers = reader.required("block_count", 1, 4096);
  const std::vector<uint32_t> heads = reader.each_layer("attention.head_count", layers, 0, 4096);
  const std::vector<uint32_t> kv_heads = reader.each_layer("attention.head_count_kv", layers, heads[0], 4096);
  const std::vector<uint32_t> ffn = reader.each_layer("feed_forward_length", layers, 0, 1U << 20);
  const uint32_t head = reader.optional("attention.key_length", spec.width / heads[0], 8, 256);
  if (reader.optional("attention.value_length", head, 1, 65536) != head) {
    throw Error(ErrorKind::kUnsupported, "keys and values of different lengths are not supported");
  }
  if (head % 8 != 0 || head < 8 || head > 256) {  // where no key_length says it, the width may say anything
    throw Error(ErrorKind::kUnsupported,
                fmt::format("heads of {} dimensions are not supported: multiples of 8 up to 256 are", head));
  }
  uint32_t window = reader.optional("attention.sliding_window", 0, 0, UINT32_MAX);
  if (window >= kMaxContext) window = 0;  // it hides nothing, and positions added to it must fit 32 bits
  for (uint32_t i = 0; i < layers; ++i) {
    if (heads[i] % kv_heads[i] != 0) {
      throw Error(ErrorKind::kFormat, fmt::format("layer {} has {} heads, no multiple of its {} KV heads", i,
                                                  heads[i], kv_heads[i]));
    }
    spec.layers.push_back({heads[i], kv_heads[i], head, ffn[i], window, false});
  }
  spec.rope = read_rope(reader, head);
  spec.rope.neox = architecture.neox;
  if (spec.rope.rotated % 4 != 0) {
    throw Error(
        ErrorKind::kUnsupported,
        fmt::format("rotating {} dimensions is not supported: multiples of 4 are", spec.rope.rotated));
  }
  const gguf::Tensor* embedding = file.find("token_embd.weight");
  if (embedding == nullptr) throw Error(ErrorKind::kFormat, "the model has no tensor token_embd.weight");
  if (embedding->columns() != spec.width || embedding->rows() == 0 || embedding->rows() > (1U << 24)) {
    throw Error(ErrorKind::kFormat, fmt::format("token_embd.weight is {} by {} for a model of width {}",
                                                embedding->rows(), embedding->columns(), spec.width));
  }
  spec.vocabulary = static_cast<uint32_t>(embedding->rows());
  spec.pooling = read_pooling(reader);
  architecture.refine(file, spec);
  return spec;
}

ModelSpec spec_of(const plan::ModelShape& shape) {
  ModelSpec spec;
  spec.architecture = shape.architecture;
  spec.name = shape.name;
  spec.width = shape.width;
  spec.vocabulary = shape.vocabulary;
  spec.context = shape.context;
  spec.norm_epsilon = static_cast<float>(shape.norm_epsilon);
  for (const plan::LayerShape& layer : shape.layers) {
    if (layer.experts > 0) {
      throw Error(
          ErrorKind::kUnsupported,
          fmt::format("{} is a mixture of experts: it can be planned for, and not computed yet", shape.name));
    }
    spec.layers.push_back({layer.heads, layer.kv_heads, layer.head, layer.ffn, 0, layer.qk_norm});
  }
  if (spec.layers.empty()) throw Error(ErrorKind::kInternal, shape.name + " has no layers");
  spec.rope.rotated = spec.layers[0].head;
  spec.rope.base = shape.rope_base;
  spec.rope.neox = architecture_named(shape.architecture).neox;
  return spec;
}

}  // namespace caldera::model
