// What a model computes, as data: read from GGUF metadata by one small file an architecture.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "caldera/model.hpp"
#include "gguf/file.hpp"
#include "plan/model_shape.hpp"

namespace caldera::model {

/// Longest context that a model may have or be asked for.
inline constexpr uint32_t kMaxContext = 1U << 24;

/// How long contexts stretch the rotary angles.
enum class RopeScaling { kNone, kLinear, kYarn };

/// Rotary position embedding.
struct RopeSpec {
  uint32_t rotated = 0;  ///< dimensions of a head that are rotated
  bool neox = false;     ///< pairs (i, i + rotated / 2) instead of (2i, 2i + 1)
  double base = 10000;
  RopeScaling scaling = RopeScaling::kNone;
  double factor = 1;
  double original_context =
      0;                     ///< the context the model was first trained for; 0: not said (YaRN always says)
  double extrapolation = 1;  ///< YaRN
  double attention_factor = 1;  ///< YaRN
  double beta_fast = 32;        ///< YaRN
  double beta_slow = 1;         ///< YaRN
};

/// One transformer layer.
struct LayerSpec {
  uint32_t heads = 0;
  uint32_t kv_heads = 0;
  uint32_t head = 0;    ///< dimensions of one head
  uint32_t ffn = 0;     ///< width of the feed-forward layer
  uint32_t window = 0;  ///< keys a query sees; 0: all
  bool qk_norm = false;
};

struct ModelSpec {
  std::string architecture;
  std::string name;
  uint32_t width = 0;
  uint32_t vocabulary = 0;
  uint32_t context = 0;  ///< as trained, or as far as scaled positions reach
  float norm_epsilon = 1e-5F;
  RopeSpec rope;
  std::vector<LayerSpec> layers;
  std::optional<Pooling> pooling = Pooling::kMean;  ///< of embeddings; absent: in a way that there is not
};

/// An architecture that Caldera can run.
struct Architecture {
  std::string_view name;  ///< `general.architecture`
  bool neox = false;      ///< how it rotates, see RopeSpec
  /// Fills what differs from the common reading of the metadata.
  void (*refine)(const gguf::File& file, ModelSpec& spec);
};

// architectures/: one file each.
extern const Architecture kLlama, kQwen2, kQwen3;

/// All of them.
const std::vector<Architecture>& architectures();

/// The one of this name. Errors: kUnsupported, naming those there are.
const Architecture& architecture_named(std::string_view name);

/// The spec of a model. Errors: kUnsupported (an architecture or feature we cannot run, named), kFormat
/// (metadata missing or impossible).
ModelSpec read_spec(const gguf::File& file);

/// The spec of a model that there is no file of, without rope scaling. Errors: kUnsupported (an architecture
/// or a kind of layer that we cannot run).
ModelSpec spec_of(const plan::ModelShape& shape);

}  // namespace caldera::model
