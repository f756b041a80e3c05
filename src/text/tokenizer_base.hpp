// What all tokenizers share: the vocabulary, special tokens in the text, BOS and EOS.
#pragma once

#include "text/tokenizer.hpp"
#include "text/tokenizer_special.hpp"
#include "text/tokenizer_vocabulary.hpp"

namespace caldera::text {

/// A tokenizer over a vocabulary; what is left to the kinds is how plain text is cut up and spelled.
class VocabularyTokenizer : public Tokenizer {
 public:
  std::vector<Token> encode(std::string_view text, EncodeOptions options) const override;
  std::string piece(Token token, bool special) const override;
  std::string decode(std::span<const Token> tokens, bool special) const override;

  uint32_t size() const override { return vocabulary_->size(); }
  std::string_view token_text(Token token) const override { return vocabulary_->text(token); }
  bool is_control(Token token) const override { return vocabulary_->is_control(token); }
  Token bos() const override { return vocabulary_->bos(); }
  Token eos() const override { return vocabulary_->eos(); }
  bool adds_bos() const override { return adds_bos_; }
  const std::vector<Token>& end_of_generation() const override { return vocabulary_->end_of_generation(); }
  Token find(std::string_view spelling) const override { return vocabulary_->find(spelling); }

 protected:
  /// `add_bos`: whether to where the metadata does not say. `escaped_space`: the spelling of a space in the
  /// vocabulary's user-defined tokens, if it is not a space.
  VocabularyTokenizer(std::unique_ptr<const Vocabulary> vocabulary, bool add_bos,
                      std::string_view escaped_space);

  const Vocabulary& vocabulary() const { return *vocabulary_; }

 private:
  /// Appends the tokens of `text` (not empty), which holds no special tokens any more.
  virtual void encode_plain(std::string_view text, std::vector<Token>& out) const = 0;
  /// Bytes of a token that is not a control token.
  virtual std::string spell(Token token) const = 0;

  SpecialMatcher special_matcher(bool control, std::string_view escaped_space) const;

  std::unique_ptr<const Vocabulary> vocabulary_;
  bool adds_bos_;
  SpecialMatcher user_defined_;  // user-defined tokens: read from any text
  SpecialMatcher all_special_;   // and with them control tokens: read on request
};

}  // namespace caldera::text
