// Text to token ids and back, as the model's own vocabulary says.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "caldera/token.hpp"
#include "gguf/metadata.hpp"

namespace caldera::text {

using caldera::Token;

/// How a string is read by Tokenizer::encode.
struct EncodeOptions {
  bool add_special = true;     ///< add BOS/EOS where the model's metadata asks for it
  bool parse_special = false;  ///< read "<|im_start|>" and its like as one control token
};

/// A tokenizer built from GGUF metadata (`tokenizer.ggml.*`). Immutable, so safe to share between threads.
class Tokenizer {
 public:
  /// Errors: kFormat (missing or inconsistent tables), kUnsupported (an unknown model or pre-tokenizer,
  /// named).
  static std::unique_ptr<Tokenizer> create(const gguf::Metadata& metadata);
  virtual ~Tokenizer() = default;

  /// Ids of `text`. Broken UTF-8 never fails here: its bytes become byte tokens.
  virtual std::vector<Token> encode(std::string_view text, EncodeOptions options = {}) const = 0;
  /// Bytes of one token as they appear in text; empty for control tokens unless `special`.
  virtual std::string piece(Token token, bool special = false) const = 0;
  /// Text of many tokens, with the leading-space rule of SentencePiece models undone where it was applied.
  virtual std::string decode(std::span<const Token> tokens, bool special = false) const = 0;

  virtual uint32_t size() const = 0;                     ///< number of tokens
  virtual std::string_view token_text(Token) const = 0;  ///< the vocabulary's own spelling ("Ġthe")
  virtual bool is_control(Token) const = 0;              ///< a control token: never part of visible text
  virtual Token bos() const = 0;                         ///< -1 if there is none
  virtual Token eos() const = 0;                         ///< -1 if there is none
  virtual bool adds_bos() const = 0;
  /// Tokens that end a turn: EOS, EOT, <|im_end|>, <|eot_id|>, <end_of_turn> and their like.
  virtual const std::vector<Token>& end_of_generation() const = 0;
  /// The token spelled exactly so in the vocabulary, or -1.
  virtual Token find(std::string_view spelling) const = 0;
};

}  // namespace caldera::text
