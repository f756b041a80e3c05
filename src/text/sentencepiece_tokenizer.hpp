// SentencePiece BPE with scores and byte fallback: `tokenizer.ggml.model` = "llama".
// Source of the algorithm: https://github.com/google/sentencepiece/blob/master/src/bpe_model.cc
#pragma once

#include <array>

#include "text/bpe_merge.hpp"
#include "text/tokenizer_base.hpp"

namespace caldera::text {

/// Spaces become "▁" and each stretch of text gets one in front (unless `add_space_prefix` is false); then
/// characters are merged into the token of the highest score, and those without a token are spelled in bytes.
class SentencePieceTokenizer : public VocabularyTokenizer {
 public:
  SentencePieceTokenizer(std::unique_ptr<const Vocabulary> vocabulary, const gguf::Metadata& metadata);

  std::string decode(std::span<const Token> tokens, bool special) const override;

 private:
  void encode_plain(std::string_view text, std::vector<Token>& out) const override;
  std::string spell(Token token) const override;

  void read_scores(const gguf::Metadata& metadata);
  void read_bytes();
  void find_word_starts();
  void encode_word(std::string_view word, BpeMerger& merger, std::vector<Token>& out) const;
  void append_bytes(std::string_view bytes, std::vector<Token>& out) const;
  Token piece_token(std::string_view spelling) const;

  bool add_space_prefix_;
  bool splits_at_spaces_ = true;  // no token has "▁" behind another character, so words merge on their own
  size_t longest_ = 0;            // bytes of the longest token
  std::vector<uint32_t> ranks_;   // by token: 0 for the highest score
  std::array<Token, 256> byte_tokens_{};  // -1: no token
  Token unknown_;
};

}  // namespace caldera::text
