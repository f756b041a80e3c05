#include "plan/mixtures.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <string>
#include <utility>

#include "caldera/error.hpp"
#include "plan/weight_format.hpp"

namespace caldera::plan {
namespace {

/// Everything in one format, embedding and output as said.
constexpr Mixture plain(std::string_view name, std::string_view format, std::string_view embedding,
                        std::string_view output) {
  return {name, format, embedding, output, {format}, format, {format}, format};
}

constexpr std::array kMixtures = {
    plain("f32", "F32", "F32", "F32"),
    plain("bf16", "BF16", "BF16", "BF16"),
    plain("f16", "F16", "F16", "F16"),
    plain("q8_0", "Q8_0", "Q8_0", "Q8_0"),
    plain("q6_k", "Q6_K", "Q6_K", "Q6_K"),
    plain("q5_1", "Q5_1", "Q5_1", "Q6_K"),
    Mixture{"q5_k_m",
            "Q5_K",
            "Q5_K",
            "Q6_K",
            {"Q5_K", "Q6_K", Where::kMoreBits},
            "Q5_K",
            {"Q5_K", "Q6_K", Where::kMoreBits},
            "Q5_K"},
    plain("q5_k_s", "Q5_K", "Q5_K", "Q6_K"),
    plain("q5_0", "Q5_0", "Q5_0", "Q6_K"),
    plain("q4_1", "Q4_1", "Q4_1", "Q6_K"),
    Mixture{"q4_k_m",
            "Q4_K",
            "Q4_K",
            "Q6_K",
            {"Q4_K", "Q6_K", Where::kMoreBits},
            "Q4_K",
            {"Q4_K", "Q6_K", Where::kMoreBits},
            "Q4_K"},
    Mixture{"q4_k_s",
            "Q4_K",
            "Q4_K",
            "Q6_K",
            {"Q4_K", "Q5_K", Where::kFirstFour},
            "Q4_K",
            {"Q4_K", "Q5_K", Where::kFirstEighth},
            "Q4_K"},
    Mixture{"iq4_nl",
            "IQ4_NL",
            "IQ4_NL",
            "Q6_K",
            {"IQ4_NL", "Q5_K", Where::kSharedValues},
            "IQ4_NL",
            {"IQ4_NL"},
            "IQ4_NL"},
    plain("q4_0", "Q4_0", "Q4_0", "Q6_K"),
    plain("mxfp4", "MXFP4", "Q8_0", "Q8_0"),
    Mixture{"iq4_xs",
            "IQ4_XS",
            "IQ4_XS",
            "Q6_K",
            {"IQ4_XS", "Q5_K", Where::kSharedValues},
            "IQ4_XS",
            {"IQ4_XS"},
            "IQ4_XS"},
    Mixture{"q3_k_l", "Q3_K", "Q3_K", "Q6_K", {"Q5_K"}, "Q5_K", {"Q5_K"}, "Q3_K"},
    Mixture{"q3_k_m",
            "Q3_K",
            "Q3_K",
            "Q6_K",
            {"Q4_K", "Q5_K", Where::kFirstTwo},
            "Q4_K",
            {"Q4_K", "Q5_K", Where::kFirstSixteenth},
            "Q3_K"},
    plain("q3_k_s", "Q3_K", "Q3_K", "Q6_K"),
    Mixture{"q2_k", "Q2_K", "Q2_K", "Q6_K", {"Q3_K", "Q4_K", Where::kSharedValues}, "Q3_K", {"Q3_K"}, "Q2_K"},
    Mixture{"iq2_xxs",
            "IQ2_XXS",
            "Q2_K",
            "Q5_K",
            {"Q2_K", "Q4_K", Where::kSharedValues},
            "IQ2_XXS",
            {"IQ2_XXS", "Q2_K", Where::kFirstEighth},
            "IQ2_XXS"},
    Mixture{"iq1_m",
            "IQ1_M",
            "Q2_K",
            "Q5_K",
            {"Q2_K", "Q4_K", Where::kSharedValues},
            "IQ2_XXS",
            {"IQ1_M", "Q2_K", Where::kFirstEighth},
            "IQ1_M"},
    plain("iq1_s", "IQ1_S", "Q2_K", "Q2_K"),
};

bool applies(Where where, uint32_t layer, uint32_t layers, const LayerShape& shape) {
  const uint32_t eighth = layers / 8;
  switch (where) {
    case Where::kNowhere:
      return false;
    case Where::kFirstTwo:
      return layer < 2;
    case Where::kFirstFour:
      return layer < 4;
    case Where::kFirstSixteenth:
      return layer < layers / 16;
    case Where::kFirstEighth:
      return layer < eighth;
    case Where::kMoreBits:
      return layer < eighth || layer >= 7 * layers / 8 || (layer - eighth) % 3 == 2;
    case Where::kSharedValues:
      return shape.heads >= 4 * shape.kv_heads || shape.experts >= 4;
  }
  return false;
}

/// What takes the place of a format whose blocks do not divide a row.
std::string_view smaller_blocks(std::string_view name) {
  if (name == "Q4_K") return "Q5_0";
  if (name == "Q5_K") return "Q5_1";
  if (name == "Q6_K") return "Q8_0";
  return "IQ4_NL";
}

WeightFormat fitting(std::string_view name, uint64_t columns) {
  WeightFormat format = weight_format(name);
  if (columns % block_elements(format) == 0) return format;
  format = weight_format(smaller_blocks(name));
  if (columns % block_elements(format) == 0) return format;
  return weight_format("F16");
}

/// The format of a matrix of one layer, which may be the embedding or the output.
std::string_view format_of(const TensorShape& tensor, const Mixture& mixture, const ModelShape& shape,
                           uint32_t layer) {
  const auto chosen = [&](const Rule& rule) {
    const bool better =
        !rule.better.empty() && layer < shape.layers.size() &&
        applies(rule.where, layer, static_cast<uint32_t>(shape.layers.size()), shape.layers[layer]);
    return better ? rule.better : rule.format;
  };
  if (tensor.part == Part::kEmbedding) return shape.tied ? mixture.output : mixture.embedding;
  if (tensor.part == Part::kOutput) return mixture.output;
  if (tensor.name.ends_with("attn_v.weight")) return chosen(mixture.values);
  if (tensor.name.ends_with("attn_output.weight")) return mixture.attention_output;
  if (tensor.name.find("ffn_down") != std::string::npos) return chosen(mixture.down);
  return tensor.part == Part::kExperts ? mixture.experts : mixture.matrix;
}

/// What decides which expert a token goes to is small, and never quantized.
bool keeps_its_format(const TensorShape& tensor) {
  return tensor.part == Part::kVectors || tensor.name.ends_with("ffn_gate_inp.weight");
}

}  // namespace

std::span<const Mixture> mixtures() {
  return kMixtures;
}

const Mixture& find_mixture(std::string_view name) {
  std::string small(name);
  std::ranges::transform(small, small.begin(), [](unsigned char c) { return std::tolower(c); });
  const auto* const found = std::ranges::find(kMixtures, small, &Mixture::name);
  if (found != kMixtures.end()) return *found;
  std::vector<std::string_view> names;
  names.reserve(kMixtures.size());
  for (const Mixture& mixture : kMixtures) names.push_back(mixture.name);
  throw Error(ErrorKind::kUsage, fmt::format("there is no format '{}': there are {}", name.substr(0, 80),
                                             fmt::join(names, ", ")));
}

ModelShape mixed(ModelShape shape, const Mixture& mixture) {
  std::vector<TensorShape> result;
  const std::string* name = nullptr;
  uint32_t layer = 0;
  for (const TensorShape& tensor : shape.tensors) {
    if (name == nullptr || *name != tensor.name) layer = 0;
    name = &tensor.name;
    if (keeps_its_format(tensor)) {
      result.push_back(tensor);
      continue;
    }
    // One entry for each format, in the order in which the layers first use them.
    const size_t first = result.size();
    for (uint32_t i = 0; i < tensor.count; ++i, ++layer) {
      const std::string_view wanted = format_of(tensor, mixture, shape, layer);
      WeightFormat format = fitting(wanted, tensor.columns);
      const auto same = std::find_if(result.begin() + static_cast<std::ptrdiff_t>(first), result.end(),
                                     [&](const TensorShape& one) { return one.format.name == format.name; });
      if (same != result.end()) {
        ++same->count;
        continue;
      }
      result.push_back(tensor);
      result.back().count = 1;
      result.back().format = std::move(format);
    }
  }
  shape.tensors = std::move(result);
  return shape;
}

}  // namespace caldera::plan
