// The tables of `tokenizer.ggml.*`, read from metadata and checked.
// Keys: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md#tokenizer
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "gguf/metadata.hpp"
#include "text/tokenizer.hpp"
#include "text/tokenizer_table.hpp"

namespace caldera::text {

/// What a token is for; the numbers are those of `tokenizer.ggml.token_type`.
enum class TokenType : uint8_t {
  kNormal = 1,
  kUnknown = 2,      ///< stands for text that no token spells
  kControl = 3,      ///< never part of visible text
  kUserDefined = 4,  ///< read from text as a whole, before anything else
  kUnused = 5,
  kByte = 6,  ///< one byte, spelled "<0xXX>"
};

/// The tokens of a model. Immutable.
class Vocabulary {
 public:
  /// Errors: kFormat, for absent tables, lengths that disagree, ids out of range and spellings that are not
  /// UTF-8 or too long.
  explicit Vocabulary(const gguf::Metadata& metadata);

  Vocabulary(const Vocabulary&) = delete;  // ids_ points into spellings_
  Vocabulary& operator=(const Vocabulary&) = delete;

  uint32_t size() const { return static_cast<uint32_t>(types_.size()); }
  bool contains(Token token) const { return token >= 0 && static_cast<uint32_t>(token) < size(); }
  std::string_view text(Token token) const;  ///< the spelling; empty for an id out of range
  TokenType type(Token token) const;         ///< kUnused for an id out of range
  bool is_control(Token token) const;        ///< so is the unknown token, which has no text of its own either
  Token find(std::string_view spelling) const;

  Token bos() const { return bos_; }  ///< -1 if there is none; so for the others
  Token eos() const { return eos_; }
  Token unknown() const { return unknown_; }
  std::optional<bool> add_bos() const { return add_bos_; }  ///< what the metadata says, if it does
  bool add_eos() const { return add_eos_; }
  const std::vector<Token>& end_of_generation() const { return end_of_generation_; }

 private:
  Token special_id(const gguf::Metadata& metadata, std::string_view key) const;
  void read_tokens(const gguf::Metadata& metadata);
  void read_types(const gguf::Metadata& metadata);
  void find_end_of_generation(const gguf::Metadata& metadata);

  std::string spellings_;         // one after another
  std::vector<uint32_t> starts_;  // size() + 1 offsets into spellings_
  std::vector<TokenType> types_;
  Table<std::string_view, Token, std::hash<std::string_view>> ids_;
  Token bos_ = -1;
  Token eos_ = -1;
  Token unknown_ = -1;
  std::optional<bool> add_bos_;
  bool add_eos_ = false;
  std::vector<Token> end_of_generation_;
};

}  // namespace caldera::text
