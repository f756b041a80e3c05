#include "text/sentencepiece_tokenizer.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <numeric>

#include "caldera/error.hpp"
#include "text/tokenizer_replace.hpp"
#include "text/utf8.hpp"

namespace caldera::text {
namespace {

constexpr std::string_view kSpace = "▁";  // U+2581

[[noreturn]] void fail(const std::string& what) {
  throw Error(ErrorKind::kFormat, what + "; the file's tokenizer is damaged: convert or download it again");
}

/// The byte that a spelling such as "<0x0A>" stands for, or -1.
int spelled_byte(std::string_view spelling) {
  if (spelling.size() != 6 || !spelling.starts_with("<0x") || spelling.back() != '>') return -1;
  int byte = -1;
  const auto [end, error] = std::from_chars(spelling.data() + 3, spelling.data() + 5, byte, 16);
  return error == std::errc() && end == spelling.data() + 5 ? byte : -1;
}

/// Bytes of the first character of `text`, which is valid UTF-8 and not empty.
uint32_t character_length(std::string_view text) {
  const auto lead = static_cast<uint8_t>(text[0]);
  return lead < 0x80 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
}

}  // namespace

SentencePieceTokenizer::SentencePieceTokenizer(std::unique_ptr<const Vocabulary> vocabulary,
                                               const gguf::Metadata& metadata)
    : VocabularyTokenizer(std::move(vocabulary), true, kSpace),
      add_space_prefix_(metadata.boolean("tokenizer.ggml.add_space_prefix").value_or(true)),
      unknown_(this->vocabulary().unknown()) {
  read_scores(metadata);
  read_bytes();
  find_word_starts();
}

void SentencePieceTokenizer::read_scores(const gguf::Metadata& metadata) {
  const std::optional<std::vector<double>> scores = metadata.numbers("tokenizer.ggml.scores");
  if (!scores) fail("tokenizer.ggml.scores is missing");
  if (scores->size() != size()) {
    fail(fmt::format("tokenizer.ggml.scores has {} entries for {} tokens", scores->size(), size()));
  }
  if (std::any_of(scores->begin(), scores->end(), [](double score) { return std::isnan(score); })) {
    fail("tokenizer.ggml.scores has an entry that is not a number");
  }
  std::vector<uint32_t> order(size());
  std::iota(order.begin(), order.end(), 0u);
  std::sort(order.begin(), order.end(), [&](uint32_t a, uint32_t b) { return (*scores)[a] > (*scores)[b]; });
  ranks_.resize(size());
  for (size_t i = 1; i < order.size(); ++i) {
    const bool lower = (*scores)[order[i]] < (*scores)[order[i - 1]];
    ranks_[order[i]] = ranks_[order[i - 1]] + (lower ? 1 : 0);
  }
}

void SentencePieceTokenizer::read_bytes() {
  byte_tokens_.fill(-1);
  for (Token token = 0; vocabulary().contains(token); ++token) {
    const int byte = spelled_byte(vocabulary().text(token));
    const TokenType type = vocabulary().type(token);
    if (type == TokenType::kByte && byte < 0)
      fail(fmt::format("token {} is a byte, but not spelled <0xXX>", token));
    if (byte >= 0 && (type == TokenType::kByte || type == TokenType::kNormal)) byte_tokens_[byte] = token;
    if (type == TokenType::kUnknown && unknown_ < 0) unknown_ = token;
  }
  const bool all_bytes = std::count(byte_tokens_.begin(), byte_tokens_.end(), -1) == 0;
  if (!all_bytes && unknown_ < 0) fail("the vocabulary has neither all byte tokens nor an unknown token");
}

void SentencePieceTokenizer::find_word_starts() {
  for (Token token = 0; vocabulary().contains(token); ++token) {
    const std::string_view text = vocabulary().text(token);
    longest_ = std::max(longest_, text.size());
    size_t at = 0;
    while (text.substr(at).starts_with(kSpace)) at += kSpace.size();
    if (text.find(kSpace, at) != std::string_view::npos) splits_at_spaces_ = false;
  }
}

void SentencePieceTokenizer::encode_plain(std::string_view text, std::vector<Token>& out) const {
  std::string escaped = replace_all(text, " ", kSpace);
  if (add_space_prefix_) escaped.insert(0, kSpace);
  BpeMerger merger;
  for (std::string_view rest = escaped; !rest.empty();) {
    const std::string_view valid = rest.substr(0, find_invalid_utf8(rest));
    for (size_t begin = 0; begin < valid.size();) {
      size_t end = valid.size();
      if (splits_at_spaces_) {
        size_t letters = begin;
        while (valid.substr(letters).starts_with(kSpace)) letters += kSpace.size();
        end = std::min(valid.find(kSpace, letters), valid.size());
      }
      encode_word(valid.substr(begin, end - begin), merger, out);
      begin = end;
    }
    rest.remove_prefix(valid.size());
    if (rest.empty()) break;
    append_bytes(rest.substr(0, 1), out);
    rest.remove_prefix(1);
  }
}

void SentencePieceTokenizer::encode_word(std::string_view word, BpeMerger& merger,
                                         std::vector<Token>& out) const {
  std::vector<BpeSymbol>& symbols = merger.symbols();
  symbols.clear();
  for (uint32_t at = 0; at < word.size();) {
    const uint32_t length = character_length(word.substr(at));
    symbols.push_back({at, length, piece_token(word.substr(at, length))});
    at += length;
  }
  merger.run([&](const BpeSymbol& left, const BpeSymbol& right) -> std::optional<BpeMerge> {
    const Token token = piece_token(word.substr(left.begin, left.length + right.length));
    if (token < 0) return std::nullopt;
    return BpeMerge{ranks_[token], token};
  });
  for (const BpeSymbol& symbol : symbols) {
    if (symbol.token >= 0) {
      out.push_back(symbol.token);
    } else {
      append_bytes(word.substr(symbol.begin, symbol.length), out);
    }
  }
}

/// The tokens of `bytes`; if one is missing, the unknown token for all of them, and one only for neighbours.
void SentencePieceTokenizer::append_bytes(std::string_view bytes, std::vector<Token>& out) const {
  const auto token_of = [this](char byte) { return byte_tokens_[static_cast<uint8_t>(byte)]; };
  if (std::all_of(bytes.begin(), bytes.end(), [&](char byte) { return token_of(byte) >= 0; })) {
    for (const char byte : bytes) out.push_back(token_of(byte));
  } else if (out.empty() || out.back() != unknown_) {
    out.push_back(unknown_);
  }
}

/// The token that text may merge to, or -1: control, unknown and byte tokens have spellings, but no text.
Token SentencePieceTokenizer::piece_token(std::string_view spelling) const {
  if (spelling.size() > longest_) return -1;
  const Token token = find(spelling);
  const TokenType type = vocabulary().type(token);
  return token >= 0 && (type == TokenType::kNormal || type == TokenType::kUserDefined) ? token : -1;
}

std::string SentencePieceTokenizer::spell(Token token) const {
  const std::string_view text = vocabulary().text(token);
  const int byte = spelled_byte(text);
  if (byte >= 0 && byte_tokens_[byte] == token) return std::string(1, static_cast<char>(byte));
  return replace_all(text, kSpace, " ");
}

std::string SentencePieceTokenizer::decode(std::span<const Token> tokens, bool special) const {
  std::string out = VocabularyTokenizer::decode(tokens, special);
  if (add_space_prefix_ && out.starts_with(' ')) out.erase(0, 1);
  return out;
}

}  // namespace caldera::text
