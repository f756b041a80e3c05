#include "server/openai_embeddings.hpp"

#include <fmt/format.h>

#include <bit>
#include <cmath>
#include <iterator>
#include <span>

#include "server/answer_writer.hpp"

namespace caldera::server {
namespace {

constexpr size_t kMaxInputs = 2048;

/// The vector's bytes, little-endian.
std::string bytes_of(std::span<const float> vector) {
  std::string bytes;
  bytes.reserve(vector.size() * sizeof(float));
  for (const float value : vector) {
    const auto bits = std::bit_cast<uint32_t>(value);
    for (uint32_t shift = 0; shift < 32; shift += 8) bytes.push_back(static_cast<char>(bits >> shift & 0xff));
  }
  return bytes;
}

void add_base64(std::string& to, std::string_view bytes) {
  constexpr std::string_view kDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  for (size_t i = 0; i < bytes.size(); i += 3) {
    uint32_t three = 0;
    for (size_t k = 0; k < 3; ++k) {
      three = three << 8 | (i + k < bytes.size() ? static_cast<unsigned char>(bytes[i + k]) : 0U);
    }
    for (size_t k = 0; k < 4; ++k) {
      to.push_back(i + k <= bytes.size() ? kDigits[three >> (18 - 6 * k) & 63] : '=');
    }
  }
}

}  // namespace

EmbeddingsRequest parse_openai_embeddings(const Json& json) {
  const Fields body(json, "");
  EmbeddingsRequest request;
  request.model = body.required_string("model");
  request.inputs = parse_prompts(body, "input", kMaxInputs);
  request.base64 = body.choice("encoding_format", {"float", "base64"}).value_or("float") == "base64";
  request.dimensions = static_cast<uint32_t>(body.integer("dimensions", 1, 1 << 24).value_or(0));
  request.user = body.string("user").value_or("");
  return request;
}

std::vector<float> shortened(std::vector<float> vector, uint32_t dimensions) {
  if (dimensions == 0 || dimensions >= vector.size()) return vector;
  vector.resize(dimensions);
  vector.shrink_to_fit();
  double square = 0;
  for (const float value : vector) square += static_cast<double>(value) * value;
  if (square == 0) return vector;
  for (float& value : vector) value = static_cast<float>(value / std::sqrt(square));
  return vector;
}

std::string embeddings_body(const std::string& model, const std::vector<std::vector<float>>& vectors,
                            bool base64, uint64_t prompt_tokens) {
  // Written as it goes: as a tree of JSON values, many long vectors would take many times their memory.
  std::string body = R"({"object":"list","data":[)";
  for (size_t i = 0; i < vectors.size(); ++i) {
    body += i == 0 ? "" : ",";
    body += fmt::format(R"({{"object":"embedding","index":{},"embedding":)", i);
    if (base64) {
      body += '"';
      add_base64(body, bytes_of(vectors[i]));
      body += "\"}";
    } else {
      body += '[';
      for (size_t k = 0; k < vectors[i].size(); ++k) {
        fmt::format_to(std::back_inserter(body), "{}{}", k == 0 ? "" : ",", vectors[i][k]);
      }
      body += "]}";
    }
  }
  const Json usage = {{"prompt_tokens", prompt_tokens}, {"total_tokens", prompt_tokens}};
  return body + R"(],"model":)" + dump_json(model) + R"(,"usage":)" + dump_json(usage) + '}';
}

}  // namespace caldera::server
