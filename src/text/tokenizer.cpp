#include "text/tokenizer.hpp"

#include <fmt/format.h>

#include "caldera/error.hpp"
#include "text/bpe_tokenizer.hpp"
#include "text/sentencepiece_tokenizer.hpp"

namespace caldera::text {

std::unique_ptr<Tokenizer> Tokenizer::create(const gguf::Metadata& metadata) {
  const std::string_view model = metadata.required_string("tokenizer.ggml.model");
  if (model != "gpt2" && model != "llama") {
    throw Error(ErrorKind::kUnsupported,
                fmt::format("unknown tokenizer '{}' (tokenizer.ggml.model); the known ones are gpt2, llama",
                            model.substr(0, 64)));
  }
  auto vocabulary = std::make_unique<const Vocabulary>(metadata);
  if (model == "gpt2") return std::make_unique<BpeTokenizer>(std::move(vocabulary), metadata);
  return std::make_unique<SentencePieceTokenizer>(std::move(vocabulary), metadata);
}

}  // namespace caldera::text
