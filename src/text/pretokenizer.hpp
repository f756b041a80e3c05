// Splits text into the words that byte-level BPE merges within.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

namespace caldera::text {

/// One family of byte-level tokenizers, as `tokenizer.ggml.pre` names it.
struct PretokenizerKind {
  const char* pattern;  ///< each match is one word
  bool ignore_merges;   ///< a word that is a token as a whole is that token, whatever the merges say
  bool adds_bos;        ///< where the metadata does not say
  bool nfc;             ///< text is normalized to form C first
};

/// The kind that `name` stands for. Errors: kUnsupported, with the known names.
const PretokenizerKind& pretokenizer_kind(std::string_view name);

/// A compiled pattern. Immutable, so safe to share between threads.
class Pretokenizer {
 public:
  explicit Pretokenizer(const char* pattern);
  ~Pretokenizer();
  Pretokenizer(const Pretokenizer&) = delete;
  Pretokenizer& operator=(const Pretokenizer&) = delete;

  /// One pass over a text.
  class Words {
   public:
    Words(const Pretokenizer& pretokenizer,
          std::string_view text);  ///< `text` is valid UTF-8 and outlives this
    ~Words();
    Words(const Words&) = delete;
    Words& operator=(const Words&) = delete;

    /// Moves to the next word, never an empty one; false at the end. The words together are the text. Should
    /// the regular expression engine give up on hostile text, the rest becomes one word.
    bool next(std::string_view& word);

   private:
    bool match();

    struct Engine;
    const Pretokenizer& pretokenizer_;
    std::string_view text_;
    std::unique_ptr<Engine> engine_;
    size_t at_ = 0;           // everything before it has been handed out
    size_t match_begin_ = 0;  // the match that was found last, not handed out yet if it ends behind at_
    size_t match_end_ = 0;
  };

 private:
  struct Compiled;
  std::unique_ptr<Compiled> compiled_;
};

}  // namespace caldera::text
