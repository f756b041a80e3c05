// Constraints by llguidance: its C interface is in llguidance.h.
#include <fmt/format.h>
#include <llguidance.h>

#include <algorithm>
#include <array>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "caldera/error.hpp"
#include "text/constraint.hpp"
#include "text/json_schema.hpp"
#include "text/utf8.hpp"

namespace caldera::text {
namespace {

constexpr size_t kMaxSource = 2 << 20;
// No byte of UTF-8; toktrie takes a token that begins with it for a control token.
constexpr char kControlMark = '\xff';

/// What a hostile schema may cost: about 20 ms to read it, 5 ms and 20 000 states of 1 to 2 KB for each mask.
/// llguidance.h has the speed of each unit.
LlgParserLimits limits() {
  LlgParserLimits limits = {};
  limits.max_items_in_row = 2000;
  limits.initial_lexer_fuel = 1'000'000;
  limits.step_lexer_fuel = 200'000;
  limits.step_max_items = 50'000;
  limits.max_lexer_states = 20'000;
  limits.max_grammar_size = 300'000;
  limits.precompute_large_lexemes = false;
  limits.verbose_errors = false;
  return limits;
}

/// The library's words in one line, without the state of its parser and stacks of calls.
std::string one_line(std::string_view message) {
  constexpr size_t kMost = 300;
  message = message.substr(0, message.find("\n<"));
  std::string line;
  for (const char c : message) {
    const bool space = static_cast<unsigned char>(c) <= ' ';
    if (!space) line += c;
    if (space && !line.empty() && line.back() != ' ') line += ' ';
  }
  while (!line.empty() && line.back() == ' ') line.pop_back();
  if (line.size() > kMost) line = line.substr(0, kMost) + "...";
  return replace_invalid_utf8(line);
}

/// Patterns are matched as a whole: anchors around all of one say nothing more, and are not known.
std::string without_anchors(std::string pattern) {
  if (pattern.starts_with('^')) pattern.erase(0, 1);
  if (!pattern.ends_with('$')) return pattern;
  size_t backslashes = 0;
  while (backslashes + 1 < pattern.size() && pattern[pattern.size() - 2 - backslashes] == '\\') ++backslashes;
  if (backslashes % 2 == 0) pattern.pop_back();
  return pattern;
}

void check_text(std::string_view source, std::string_view what) {
  if (source.size() > kMaxSource) {
    throw Error(ErrorKind::kInput, fmt::format("{} is longer than 2 MiB", what));
  }
  const size_t invalid = std::min(find_invalid_utf8(source), source.find('\0'));
  if (invalid == std::string_view::npos) return;
  throw Error(ErrorKind::kInput,
              fmt::format("{} is not text: byte {} is zero or not valid UTF-8", what, invalid));
}

struct FreeMatcher {
  void operator()(LlgMatcher* matcher) const { llg_free_matcher(matcher); }
};

}  // namespace

/// A vocabulary as a tree of bytes.
class VocabularyTrie {
 public:
  explicit VocabularyTrie(const Tokenizer& tokenizer)
      : size_(tokenizer.size()), ends_(tokenizer.end_of_generation()) {
    std::vector<uint32_t> lengths(size_);
    std::string bytes;
    for (uint32_t i = 0; i < size_; ++i) {
      const auto token = static_cast<Token>(i);
      std::string piece = tokenizer.piece(token, true);
      if (tokenizer.is_control(token) || std::ranges::count(ends_, token) > 0) {
        piece.insert(0, 1, kControlMark);
      } else if (piece.find(kControlMark) != std::string::npos) {
        piece.clear();  // never part of UTF-8, so never allowed
      }
      lengths[i] = static_cast<uint32_t>(piece.size());
      bytes += piece;
    }
    std::vector<LlgToken> ends(ends_.begin(), ends_.end());
    LlgTokenizerInitV2 init = {};
    init.struct_size = sizeof(init);
    init.vocab_size = size_;
    init.tok_eos = ends.empty() ? ~LlgToken{0} : ends[0];
    init.token_lens = lengths.data();
    init.token_bytes = reinterpret_cast<const uint8_t*>(bytes.data());
    init.use_approximate_greedy_tokenize_fn = true;  // for what is not used here
    init.tok_eos_extra = ends.data();
    init.tok_eos_extra_count = ends.empty() ? 0 : static_cast<uint32_t>(ends.size() - 1);
    if (init.tok_eos_extra_count > 0) ++init.tok_eos_extra;
    std::array<char, 512> error = {};
    tokenizer_ = llg_new_tokenizer_v2(&init, error.data(), error.size());
    if (tokenizer_ == nullptr) {
      throw Error(ErrorKind::kUnsupported,
                  "answers cannot be held to a format with this vocabulary: " + one_line(error.data()));
    }
  }
  ~VocabularyTrie() { llg_free_tokenizer(tokenizer_); }
  VocabularyTrie(const VocabularyTrie&) = delete;
  VocabularyTrie& operator=(const VocabularyTrie&) = delete;

  uint32_t size() const { return size_; }
  bool is_end(Token token) const { return std::ranges::count(ends_, token) > 0; }
  const LlgTokenizer* get() const { return tokenizer_; }

 private:
  uint32_t size_;
  std::vector<Token> ends_;
  LlgTokenizer* tokenizer_ = nullptr;
};

namespace {

class Constraint : public TokenConstraint {
 public:
  Constraint(std::shared_ptr<const VocabularyTrie> vocabulary, const char* kind, const std::string& source,
             std::string_view what)
      : vocabulary_(std::move(vocabulary)), mask_((vocabulary_->size() + 31) / 32) {
    LlgConstraintInit init = {};
    llg_constraint_init_set_defaults(&init, vocabulary_->get());
    init.log_stderr_level = 0;
    init.limits = limits();
    matcher_.reset(llg_new_matcher(&init, kind, source.c_str()));
    const std::string refusal = fmt::format("{} cannot be enforced", what);
    check(refusal);
    // The first step, so that what nothing matches is known now.
    const bool done = llg_matcher_compute_mask_into(matcher_.get(), mask_.data(), mask_.size() * 4) == 0;
    if (!done && std::string_view(llg_matcher_get_error(matcher_.get())).starts_with("NoExtension")) {
      throw Error(ErrorKind::kInput, refusal + ": nothing matches it");
    }
    check(refusal);
  }

  void allow(std::span<uint32_t> bits) override {
    if (ended_) return;
    // A matcher that has failed stays so.
    const bool done = llg_matcher_compute_mask_into(matcher_.get(), mask_.data(), mask_.size() * 4) == 0;
    check("the answer cannot be held to its format any more");
    if (done) std::ranges::copy(std::span(mask_).first(std::min(mask_.size(), bits.size())), bits.begin());
  }

  void accept(Token token) override {
    ended_ = ended_ || vocabulary_->is_end(token);
    // What it says of a token that was not allowed, allow() reports.
    if (!ended_) std::ignore = llg_matcher_consume_token(matcher_.get(), static_cast<LlgToken>(token));
  }

 private:
  void check(std::string_view what) {
    const char* error = llg_matcher_get_error(matcher_.get());
    if (error != nullptr) throw Error(ErrorKind::kInput, fmt::format("{}: {}", what, one_line(error)));
  }

  std::shared_ptr<const VocabularyTrie> vocabulary_;  // the matcher refers to it
  std::unique_ptr<LlgMatcher, FreeMatcher> matcher_;
  std::vector<uint32_t> mask_;
  bool ended_ = false;
};

}  // namespace

bool ConstraintFactory::available() {
  return true;
}

ConstraintFactory::ConstraintFactory(const Tokenizer& tokenizer) : tokenizer_(tokenizer) {}
ConstraintFactory::~ConstraintFactory() = default;

std::shared_ptr<TokenConstraint> ConstraintFactory::make(const AnswerFormat& format) const {
  using Kind = AnswerFormat::Kind;
  if (format.kind == Kind::kText) return nullptr;
  std::call_once(once_, [this] { vocabulary_ = std::make_shared<const VocabularyTrie>(tokenizer_); });
  const auto held = [this](const char* kind, const std::string& source, std::string_view what) {
    check_text(source, what);
    return std::make_shared<Constraint>(vocabulary_, kind, source, what);
  };
  switch (format.kind) {
    case Kind::kRegex:
      return held("regex", without_anchors(format.source), "the pattern");
    case Kind::kGrammar:
      return held("lark", format.source, "the grammar");
    case Kind::kJson:
      return held("json_schema", prepare_json_schema(R"({"type": "object"})"), "the JSON schema");
    default:
      return held("json_schema", prepare_json_schema(format.source), "the JSON schema");
  }
}

}  // namespace caldera::text
