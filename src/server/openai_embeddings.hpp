// POST /v1/embeddings: texts as vectors.
// Reference: https://platform.openai.com/docs/api-reference/embeddings
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "server/openai_prompts.hpp"

namespace caldera::server {

struct EmbeddingsRequest {
  std::string model;
  std::vector<PromptText> inputs;
  bool base64 = false;      ///< vectors as little-endian f32 in base64 (RFC 4648) instead of arrays
  uint32_t dimensions = 0;  ///< of an answer's vectors; 0: all that the model has
  std::string user;
};

/// Errors: RequestError 400, which names the field.
EmbeddingsRequest parse_openai_embeddings(const Json& body);

/// The first `dimensions` of a vector (0: all), scaled to length 1 again.
std::vector<float> shortened(std::vector<float> vector, uint32_t dimensions);

/// The list object, of vectors that hold finite numbers.
std::string embeddings_body(const std::string& model, const std::vector<std::vector<float>>& vectors,
                            bool base64, uint64_t prompt_tokens);

}  // namespace caldera::server
