// Qwen3: every query and key head is normalised before it is rotated, in halves.
#include "model/spec.hpp"

namespace caldera::model {

const Architecture kQwen3{"qwen3", true, [](const gguf::File&, ModelSpec& spec) {
                            for (LayerSpec& layer : spec.layers) layer.qk_norm = true;
                          }};

}  // namespace caldera::model
