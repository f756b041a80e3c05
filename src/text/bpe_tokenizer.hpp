// Byte-level BPE: `tokenizer.ggml.model` = "gpt2".
#pragma once

#include <array>

#include "text/bpe_merge.hpp"
#include "text/pretokenizer.hpp"
#include "text/tokenizer_base.hpp"

namespace caldera::text {

/// Text is cut into words by a pattern; a word's bytes are its first symbols, and they are merged in the
/// order of `tokenizer.ggml.merges`. Bytes that are not UTF-8 become one token each. A byte without a token
/// of its own (some vocabularies lack a few that no text has) is left out, as Hugging Face tokenizers does.
class BpeTokenizer : public VocabularyTokenizer {
 public:
  BpeTokenizer(std::unique_ptr<const Vocabulary> vocabulary, const gguf::Metadata& metadata);

 private:
  struct PairHash {
    size_t operator()(uint64_t pair) const;
  };

  BpeTokenizer(std::unique_ptr<const Vocabulary> vocabulary, const gguf::Metadata& metadata,
               const PretokenizerKind& kind);

  void encode_plain(std::string_view text, std::vector<Token>& out) const override;
  std::string spell(Token token) const override;

  void read_merges(const gguf::Metadata& metadata);
  void encode_words(std::string_view text, std::vector<Token>& out) const;
  void encode_word(std::string_view word, BpeMerger& merger, std::vector<Token>& out) const;
  void encode_bytes(std::string_view bytes, std::vector<Token>& out) const;
  Token whole_word(std::string_view word) const;

  const PretokenizerKind& kind_;
  Pretokenizer pretokenizer_;
  std::array<Token, 256> byte_tokens_{};        // -1: no token
  Table<uint64_t, BpeMerge, PairHash> merges_;  // by pair_key
};

}  // namespace caldera::text
