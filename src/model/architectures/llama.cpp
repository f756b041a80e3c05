// Llama 2, 3, 3.1, Mistral, SmolLM2 and their like: what the common reading says, rotated in neighbouring
// pairs (the converter permutes their queries and keys so).
#include "model/spec.hpp"

namespace caldera::model {

const Architecture kLlama{"llama", false, [](const gguf::File&, ModelSpec&) {}};

}  // namespace caldera::model
