#include "text/tokenizer_base.hpp"

#include "caldera/error.hpp"
#include "text/tokenizer_replace.hpp"

namespace caldera::text {
namespace {

constexpr size_t kMaxTextBytes = size_t{1} << 30;  // offsets within a text are 32 bits wide

}  // namespace

VocabularyTokenizer::VocabularyTokenizer(std::unique_ptr<const Vocabulary> vocabulary, bool add_bos,
                                         std::string_view escaped_space)
    : vocabulary_(std::move(vocabulary)),
      adds_bos_(vocabulary_->add_bos().value_or(add_bos) && vocabulary_->bos() >= 0),
      user_defined_(special_matcher(false, escaped_space)),
      all_special_(special_matcher(true, escaped_space)) {}

SpecialMatcher VocabularyTokenizer::special_matcher(bool control, std::string_view escaped_space) const {
  std::vector<std::pair<std::string, Token>> spellings;
  for (Token token = 0; vocabulary_->contains(token); ++token) {
    if (vocabulary_->type(token) != TokenType::kUserDefined && !(control && vocabulary_->is_control(token)))
      continue;
    std::string spelling(vocabulary_->text(token));
    if (!escaped_space.empty()) spelling = replace_all(spelling, escaped_space, " ");
    spellings.emplace_back(std::move(spelling), token);
  }
  return SpecialMatcher(std::move(spellings));
}

std::vector<Token> VocabularyTokenizer::encode(std::string_view text, EncodeOptions options) const {
  if (text.size() > kMaxTextBytes) {
    throw Error(ErrorKind::kInput, "the text to tokenize is longer than 1 GiB; pass it in parts");
  }
  const SpecialMatcher& matcher = options.parse_special ? all_special_ : user_defined_;
  std::vector<Token> out;
  out.reserve(text.size() / 4 + 2);
  if (options.add_special && adds_bos_) out.push_back(bos());
  for (size_t at = 0; at < text.size();) {
    const SpecialMatcher::Match match = matcher.next(text, at);
    const std::string_view plain = text.substr(at, match.begin - at);
    if (!plain.empty()) encode_plain(plain, out);
    if (match.length == 0) break;
    out.push_back(match.token);
    at = match.begin + match.length;
  }
  if (options.add_special && vocabulary_->add_eos() && eos() >= 0) out.push_back(eos());
  return out;
}

std::string VocabularyTokenizer::piece(Token token, bool special) const {
  if (vocabulary_->is_control(token)) return special ? std::string(vocabulary_->text(token)) : std::string();
  return spell(token);
}

std::string VocabularyTokenizer::decode(std::span<const Token> tokens, bool special) const {
  std::string out;
  for (const Token token : tokens) out += piece(token, special);
  return out;
}

}  // namespace caldera::text
