// Feeds arbitrary schemas and patterns to constraints, and walks what they allow: only Error may come out, in
// bounded time and memory.
#include <cstddef>
#include <cstdint>
#include <random>
#include <string_view>
#include <vector>

#include "caldera/error.hpp"
#include "gguf/metadata.hpp"
#include "text/constraint.hpp"

namespace caldera::text {
namespace {

/// Bytes, some words of JSON, and an end.
std::unique_ptr<Tokenizer> make_tokenizer() {
  std::vector<std::string> tokens = {"<unk>", "<s>", "</s>"};
  std::vector<int64_t> types = {2, 3, 3};
  std::vector<double> scores = {0, 0, 0};
  const auto add = [&](std::string spelling, int64_t type) {
    tokens.push_back(std::move(spelling));
    types.push_back(type);
    scores.push_back(-static_cast<double>(tokens.size()));
  };
  constexpr std::string_view kDigits = "0123456789ABCDEF";
  for (size_t byte = 0; byte < 256; ++byte) {
    add({'<', '0', 'x', kDigits[byte / 16], kDigits[byte % 16], '>'}, 6);
  }
  for (const char* word :
       {"{\"", "\":", "\",", "[\"", "\"}", "true", "null", "name", "123", "ab", "a", "b", "grün"}) {
    add(word, 1);
  }
  gguf::Metadata metadata;
  metadata.add({"tokenizer.ggml.model", "", gguf::Value(std::string("llama"))});
  metadata.add({"tokenizer.ggml.tokens", "", gguf::Value(gguf::Array(tokens))});
  metadata.add({"tokenizer.ggml.scores", "", gguf::Value(gguf::Array(scores))});
  metadata.add({"tokenizer.ggml.token_type", "", gguf::Value(gguf::Array(types))});
  metadata.add({"tokenizer.ggml.eos_token_id", "", gguf::Value(uint64_t{2})});
  return Tokenizer::create(metadata);
}

void walk(std::string_view source) {
  static const auto kTokenizer = make_tokenizer();
  static const ConstraintFactory kFactory(*kTokenizer);
  if (source.empty()) return;
  const auto kind = source[0] == 'r' ? AnswerFormat::Kind::kRegex : AnswerFormat::Kind::kJsonSchema;
  const auto constraint = kFactory.make({kind, std::string(source.substr(1))});
  std::mt19937 random(static_cast<uint32_t>(source.size()));
  for (int step = 0; step < 40; ++step) {
    std::vector<uint32_t> bits((kTokenizer->size() + 31) / 32, 0);
    constraint->allow(bits);
    std::vector<Token> tokens;
    for (uint32_t token = 0; token < kTokenizer->size(); ++token) {
      if ((bits[token / 32] >> token % 32 & 1) != 0) tokens.push_back(static_cast<Token>(token));
    }
    if (tokens.empty()) return;
    constraint->accept(tokens[random() % tokens.size()]);
  }
}

}  // namespace
}  // namespace caldera::text

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  try {
    caldera::text::walk({reinterpret_cast<const char*>(data), size});
  } catch (const caldera::Error& error) {
    const bool known =
        error.kind() == caldera::ErrorKind::kInput || error.kind() == caldera::ErrorKind::kUnsupported;
    if (!known || std::string_view(error.what()).find('\n') != std::string_view::npos) __builtin_trap();
  }
  return 0;
}
