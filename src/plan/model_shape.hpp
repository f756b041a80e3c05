// The dimensions of a model, as far as memory and speed depend on them: from a file, or from a name.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "quant/format.hpp"

namespace caldera::plan {

/// How weights are stored: a format, or one whose kernels do not exist yet, by its size alone.
struct WeightFormat {
  std::string name;                     ///< "Q4_K", "IQ1_S"
  double bits_per_weight = 0;           ///< of the file's blocks
  std::optional<quant::Format> format;  ///< absent: not computed with yet
};

/// What a tensor is for; plans add up by it.
enum class Part { kEmbedding, kAttention, kFeedForward, kExperts, kOutput, kVectors };

/// Tensors of one shape in `count` layers (or one, outside of the layers).
struct TensorShape {
  std::string name;  ///< "blk.N.ffn_down.weight"
  Part part = Part::kFeedForward;
  uint64_t rows = 0;     ///< vectors have one row
  uint64_t columns = 0;  ///< length of a row
  uint32_t count = 1;
  WeightFormat format;
};

/// Attention and feed-forward dimensions of one layer.
struct LayerShape {
  uint32_t heads = 0;
  uint32_t kv_heads = 0;
  uint32_t head = 0;          ///< dimensions of one head
  uint32_t ffn = 0;           ///< width of the feed-forward layer, or of one expert
  uint32_t experts = 0;       ///< 0: dense
  uint32_t experts_used = 0;  ///< per token
  bool qk_norm = false;
};

struct ModelShape {
  std::string name;          ///< "llama-3.1-405b:iq1_s", or the file's
  std::string architecture;  ///< `general.architecture`: "llama", "qwen3", "qwen3moe"
  uint32_t width = 0;
  uint32_t vocabulary = 0;
  uint32_t context = 0;  ///< as trained
  bool tied = false;     ///< the output matrix is the embedding
  double rope_base = 10000;
  uint32_t rotated = 0;  ///< dimensions of a head that are rotated; 0: all
  double norm_epsilon = 1e-5;
  std::vector<LayerShape> layers;
  /// Those of one name stand together, each for its `count` of layers.
  std::vector<TensorShape> tensors;
};

/// Weights of a model, all experts included.
uint64_t parameters(const ModelShape& shape);

}  // namespace caldera::plan
