// The formats that models are downloaded in: which tensor of a file called "Q4_K_M" is in which block format.
#pragma once

#include <span>
#include <string_view>

#include "plan/model_shape.hpp"

namespace caldera::plan {

/// Layers whose tensors are in the better of two formats.
enum class Where {
  kNowhere,
  kFirstTwo,
  kFirstFour,
  kFirstSixteenth,
  kFirstEighth,
  kMoreBits,      ///< the first and the last eighth, and every third layer between
  kSharedValues,  ///< everywhere, if at least four query heads share a KV head
};

/// One format for most layers, and a better one for some.
struct Rule {
  std::string_view format;
  std::string_view better = {};
  Where where = Where::kNowhere;
};

/// As the quantizing program of llama.cpp mixes them when it has measured what weights matter (an importance
/// matrix), which is how files are published: src/llama-quant.cpp, llama_tensor_get_type(), there. Names are
/// of GGUF types. IQ1_S is leaner here: all of its layers are in the one format.
struct Mixture {
  std::string_view name;    ///< as in names of files, in small letters: "q4_k_m"
  std::string_view matrix;  ///< of everything that has no rule of its own
  std::string_view embedding;
  std::string_view output;  ///< also of an embedding that is the output matrix too
  Rule values;
  std::string_view attention_output;
  Rule down;
  std::string_view experts;  ///< gate and up of experts
};

/// From most to fewest bits per weight.
std::span<const Mixture> mixtures();

/// The mixture of that name, small or capital letters. Errors: kUsage, listing what there is.
const Mixture& find_mixture(std::string_view name);

/// The same model with its matrices in the formats of a mixture. Vectors stay as they are; where a row is no
/// whole number of a format's blocks, the next better format with blocks of 32 takes its place.
ModelShape mixed(ModelShape shape, const Mixture& mixture);

}  // namespace caldera::plan
