// Qwen2 and 2.5: biases on queries, keys and values (found with the tensors), rotated in halves.
#include "model/spec.hpp"

namespace caldera::model {

const Architecture kQwen2{"qwen2", true, [](const gguf::File&, ModelSpec&) {}};

}  // namespace caldera::model
