#include "text/bpe_tokenizer.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "caldera/error.hpp"
#include "text/bpe_bytes.hpp"
#include "text/unicode_normalize.hpp"
#include "text/utf8.hpp"

namespace caldera::text {
namespace {

/// Two tokens as the key of a table, never 0.
uint64_t pair_key(Token left, Token right) {
  return (static_cast<uint64_t>(left) << 32 | static_cast<uint32_t>(right)) + 1;
}

}  // namespace

size_t BpeTokenizer::PairHash::operator()(uint64_t pair) const {
  const uint64_t mixed = pair * 0x9E3779B97F4A7C15u;  // 2^64 over the golden ratio: spreads neighbours
  return static_cast<size_t>(mixed ^ mixed >> 32);
}

BpeTokenizer::BpeTokenizer(std::unique_ptr<const Vocabulary> vocabulary, const gguf::Metadata& metadata)
    : BpeTokenizer(std::move(vocabulary), metadata,
                   pretokenizer_kind(metadata.string("tokenizer.ggml.pre").value_or("default"))) {}

BpeTokenizer::BpeTokenizer(std::unique_ptr<const Vocabulary> vocabulary, const gguf::Metadata& metadata,
                           const PretokenizerKind& kind)
    : VocabularyTokenizer(std::move(vocabulary), kind.adds_bos, ""),
      kind_(kind),
      pretokenizer_(kind.pattern) {
  for (size_t byte = 0; byte < byte_tokens_.size(); ++byte) {
    byte_tokens_[byte] = find(byte_spelling(static_cast<uint8_t>(byte)));
  }
  read_merges(metadata);
}

void BpeTokenizer::read_merges(const gguf::Metadata& metadata) {
  const std::vector<std::string>* merges = metadata.strings("tokenizer.ggml.merges");
  const auto fail = [](const std::string& what) {
    throw Error(ErrorKind::kFormat, what + "; the file's tokenizer is damaged: convert or download it again");
  };
  if (merges == nullptr) fail("tokenizer.ggml.merges is missing");
  merges_ = decltype(merges_)(merges->size());
  std::string merged;
  for (size_t rank = 0; rank < merges->size(); ++rank) {
    const std::string_view merge = (*merges)[rank];
    // Byte-level spellings have no spaces, but a token that starts with one would be found here.
    const size_t space = merge.find(' ', 1);
    if (space == std::string_view::npos) fail(fmt::format("merge {} does not name two tokens", rank));
    const std::string_view left = merge.substr(0, space);
    const std::string_view right = merge.substr(space + 1);
    merged.assign(left).append(right);
    const BpeMerge result = {static_cast<uint32_t>(rank), find(merged)};
    const Token left_token = find(left);
    const Token right_token = find(right);
    if (left_token < 0 || right_token < 0 || result.token < 0) {
      fail(fmt::format("merge {} names tokens that are not in tokenizer.ggml.tokens", rank));
    }
    merges_.insert(pair_key(left_token, right_token), result);
  }
}

void BpeTokenizer::encode_plain(std::string_view text, std::vector<Token>& out) const {
  while (!text.empty()) {
    const size_t valid = std::min(find_invalid_utf8(text), text.size());
    encode_words(text.substr(0, valid), out);
    text.remove_prefix(valid);
    if (text.empty()) break;
    encode_bytes(text.substr(0, 1), out);
    text.remove_prefix(1);
  }
}

void BpeTokenizer::encode_words(std::string_view text, std::vector<Token>& out) const {
  if (text.empty()) return;
  std::string storage;
  if (kind_.nfc) text = normalize_nfc(text, storage);
  BpeMerger merger;
  Pretokenizer::Words words(pretokenizer_, text);
  for (std::string_view word; words.next(word);) encode_word(word, merger, out);
}

void BpeTokenizer::encode_word(std::string_view word, BpeMerger& merger, std::vector<Token>& out) const {
  if (kind_.ignore_merges) {
    const Token token = whole_word(word);
    if (token >= 0) {
      out.push_back(token);
      return;
    }
  }
  std::vector<BpeSymbol>& symbols = merger.symbols();
  symbols.clear();
  for (uint32_t i = 0; i < word.size(); ++i) {
    const Token token = byte_tokens_[static_cast<uint8_t>(word[i])];
    if (token >= 0) symbols.push_back({i, 1, token});
  }
  merger.run([this](const BpeSymbol& left, const BpeSymbol& right) -> std::optional<BpeMerge> {
    const BpeMerge* merge = merges_.find(pair_key(left.token, right.token));
    return merge == nullptr ? std::nullopt : std::optional(*merge);
  });
  for (const BpeSymbol& symbol : symbols) out.push_back(symbol.token);
}

void BpeTokenizer::encode_bytes(std::string_view bytes, std::vector<Token>& out) const {
  for (const char byte : bytes) {
    const Token token = byte_tokens_[static_cast<uint8_t>(byte)];
    if (token >= 0) out.push_back(token);
  }
}

/// The ordinary token that spells `word`, or -1. Control tokens do not count: text never turns into them.
Token BpeTokenizer::whole_word(std::string_view word) const {
  std::string spelling;
  for (const char byte : word) spelling += byte_spelling(static_cast<uint8_t>(byte));
  const Token token = find(spelling);
  return token >= 0 && vocabulary().type(token) == TokenType::kNormal ? token : -1;
}

std::string BpeTokenizer::spell(Token token) const {
  const std::string_view text = vocabulary().text(token);
  // User-defined tokens are spelled as they appear in text.
  return vocabulary().type(token) == TokenType::kUserDefined ? std::string(text) : spelled_bytes(text);
}

}  // namespace caldera::text
