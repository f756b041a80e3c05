#include "text/tokenizer_vocabulary.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <limits>

#include "caldera/error.hpp"
#include "text/utf8.hpp"

namespace caldera::text {
namespace {

/// Longer spellings are refused: they bound the work that a look-up can cost. The longest in use are runs of
/// 128 spaces, 256 bytes in byte-level spelling.
constexpr size_t kMaxTokenBytes = 1024;

/// Tokens that end a turn, by the spelling their models' chat templates use.
constexpr std::array<std::string_view, 17> kEndSpellings = {
    "</s>",
    "<eos>",
    "<|endoftext|>",
    "<|end_of_text|>",
    "<|im_end|>",
    "<|eot_id|>",
    "<|eom_id|>",
    "<end_of_turn>",
    "<|end_of_turn|>",
    "<turn|>",
    "<|end|>",
    "<|return|>",
    "<|call|>",
    "<|eot|>",
    "<EOT>",
    "<|END_OF_TURN_TOKEN|>",
    "<｜end▁of▁sentence｜>",
};

[[noreturn]] void fail(const std::string& what) {
  throw Error(ErrorKind::kFormat, what + "; the file's tokenizer is damaged: convert or download it again");
}

}  // namespace

Vocabulary::Vocabulary(const gguf::Metadata& metadata) {
  read_tokens(metadata);
  read_types(metadata);
  bos_ = special_id(metadata, "tokenizer.ggml.bos_token_id");
  eos_ = special_id(metadata, "tokenizer.ggml.eos_token_id");
  unknown_ = special_id(metadata, "tokenizer.ggml.unknown_token_id");
  add_bos_ = metadata.boolean("tokenizer.ggml.add_bos_token");
  add_eos_ = metadata.boolean("tokenizer.ggml.add_eos_token").value_or(false);
  find_end_of_generation(metadata);
}

std::string_view Vocabulary::text(Token token) const {
  if (!contains(token)) return {};
  return std::string_view(spellings_).substr(starts_[token], starts_[token + 1] - starts_[token]);
}

TokenType Vocabulary::type(Token token) const {
  return contains(token) ? types_[token] : TokenType::kUnused;
}

bool Vocabulary::is_control(Token token) const {
  return type(token) == TokenType::kControl || type(token) == TokenType::kUnknown;
}

Token Vocabulary::find(std::string_view spelling) const {
  const Token* token = ids_.find(spelling);
  return token == nullptr ? -1 : *token;
}

Token Vocabulary::special_id(const gguf::Metadata& metadata, std::string_view key) const {
  const std::optional<uint64_t> id = metadata.integer(key);
  if (!id) return -1;
  if (*id >= size()) fail(fmt::format("{} is {}, but there are {} tokens", key, *id, size()));
  return static_cast<Token>(*id);
}

void Vocabulary::read_tokens(const gguf::Metadata& metadata) {
  const std::vector<std::string>* tokens = metadata.strings("tokenizer.ggml.tokens");
  if (tokens == nullptr || tokens->empty()) fail("tokenizer.ggml.tokens is missing or empty");
  size_t bytes = 0;
  for (size_t i = 0; i < tokens->size(); ++i) {
    const std::string& token = (*tokens)[i];
    if (token.size() > kMaxTokenBytes) {
      fail(fmt::format("token {} is {} bytes long, more than {}", i, token.size(), kMaxTokenBytes));
    }
    if (find_invalid_utf8(token) != std::string_view::npos) fail(fmt::format("token {} is not UTF-8", i));
    bytes += token.size();
  }
  if (bytes > std::numeric_limits<uint32_t>::max() || tokens->size() > std::numeric_limits<Token>::max()) {
    fail("tokenizer.ggml.tokens is longer than 4 GiB");
  }
  spellings_.reserve(bytes);
  starts_.reserve(tokens->size() + 1);
  starts_.push_back(0);
  for (const std::string& token : *tokens) {
    spellings_ += token;
    starts_.push_back(static_cast<uint32_t>(spellings_.size()));
  }
  types_.assign(tokens->size(), TokenType::kNormal);
  ids_ = decltype(ids_)(tokens->size());
  for (Token token = 0; contains(token); ++token) {
    // Padding entries may repeat a spelling, or have none: the first one has the name.
    if (!text(token).empty()) ids_.insert(text(token), token);
  }
}

void Vocabulary::read_types(const gguf::Metadata& metadata) {
  const std::optional<std::vector<int64_t>> types = metadata.integers("tokenizer.ggml.token_type");
  if (!types) return;
  if (types->size() != size()) {
    fail(fmt::format("tokenizer.ggml.token_type has {} entries for {} tokens", types->size(), size()));
  }
  for (size_t i = 0; i < types->size(); ++i) {
    const int64_t type = (*types)[i];
    if (type < 0 || type > 6) fail(fmt::format("token {} has the type {}, which does not exist", i, type));
    if (type != 0) types_[i] = static_cast<TokenType>(type);  // 0 is "undefined": an ordinary token
  }
}

void Vocabulary::find_end_of_generation(const gguf::Metadata& metadata) {
  const auto add = [this](Token token) {
    std::vector<Token>& all = end_of_generation_;
    if (token >= 0 && std::find(all.begin(), all.end(), token) == all.end()) all.push_back(token);
  };
  add(eos_);
  add(special_id(metadata, "tokenizer.ggml.eot_token_id"));
  add(special_id(metadata, "tokenizer.ggml.eom_token_id"));
  for (const std::string_view spelling : kEndSpellings) {
    const Token token = find(spelling);
    if (type(token) != TokenType::kControl && type(token) != TokenType::kUserDefined) continue;
    // In OpenAI's harmony format "<|end|>" ends one message of several in a turn; "<|return|>" ends the turn.
    if (spelling == "<|end|>" && find("<|return|>") >= 0) continue;
    add(token);
  }
}

}  // namespace caldera::text
