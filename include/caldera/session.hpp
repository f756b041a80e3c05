// A session: one sequence of tokens with its KV memory, and the text it goes on with.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "caldera/model.hpp"

namespace caldera {

/// How the next token is drawn. Applied in this order: penalties, temperature, top-k, top-p, min-p, the draw.
struct SamplingOptions {
  float temperature = 0.8F;        ///< 0: greedy
  uint32_t top_k = 40;             ///< 0: off
  float top_p = 0.95F;             ///< 1: off
  float min_p = 0.05F;             ///< 0: off
  float repeat_penalty = 1.0F;     ///< 1: off; divides positive and multiplies negative logits of seen tokens
  float presence_penalty = 0.0F;   ///< subtracted once from the logits of seen tokens
  float frequency_penalty = 0.0F;  ///< subtracted per occurrence
  uint32_t penalty_window = 64;    ///< how many of the last tokens count as seen
  std::optional<uint64_t> seed;    ///< the same seed gives the same text on the same device; absent: random
};

/// What a generation does when the context is full.
enum class ContextEnd {
  kStop,  ///< ends with StopReason::kContextFull
  /// Forgets the oldest quarter of the sequence behind what is kept, whole pages of 64 tokens, and goes on.
  /// What is left stands as it was computed, so the text goes on where a model that read only that would
  /// begin anew.
  kShift,
};

/// The callbacks run while the model is at work: they must not generate, nor call any session of the model or
/// Model::memory(), which wait for the work to end. What they throw ends the generation and reaches the
/// caller; the tokens taken so far stay in the sequence.
struct GenerateOptions {
  SamplingOptions sampling;
  uint32_t max_tokens = 0;        ///< 0: until the model ends or the context is full
  std::vector<std::string> stop;  ///< strings that end the answer; not part of the text
  bool ignore_end = false;        ///< go on past the model's end-of-turn tokens
  /// Holds the answer; null: anything may come. For this one answer alone. Each token then waits for the one
  /// before it to reach the host.
  std::shared_ptr<TokenConstraint> constraint;
  ContextEnd context_end = ContextEnd::kStop;
  /// With kShift: first tokens that are never forgotten, rounded up to whole pages; the first time that a
  /// session forgets decides. They hold the system message, and what attention leans on whatever it says.
  uint32_t keep = 4;
  /// Called with whole UTF-8 characters as they come; returning false ends the answer (kCancelled).
  std::function<bool(std::string_view text)> on_text;
  /// Called while the prompt is read, and while the sequence is read again after a lost device; returning
  /// false ends with kCancelled.
  std::function<bool(uint32_t done, uint32_t total)> on_prompt;
};

enum class StopReason {
  kEnd,
  kStopString,
  kMaxTokens,
  kContextFull,
  kCancelled,
  kOutOfMemory,  ///< memory for the next tokens was refused; the session is as it was after the last one
  kDeviceLost,   ///< the device was lost for good; the session is as it was after the last token
};

struct Generation {
  std::string text;
  std::vector<Token> tokens;
  StopReason reason = StopReason::kEnd;
  std::string error;           ///< of kOutOfMemory and kDeviceLost: what happened, and what to change
  uint32_t prompt_tokens = 0;  ///< tokens read in this call
  /// Tokens that were in KV memory already, of this session or of another that begins with the same.
  uint32_t reused_tokens = 0;
  uint32_t dropped_tokens = 0;  ///< that ContextEnd::kShift forgot in this call
  double prompt_seconds = 0;
  double decode_seconds = 0;
  double longest_submission = 0;  ///< seconds of device time, of all sequences of the call
  uint64_t seed = 0;
  double prompt_rate() const { return prompt_seconds > 0 ? prompt_tokens / prompt_seconds : 0; }
  /// Decoded tokens per second; the first token comes with the prompt.
  double decode_rate() const {
    return decode_seconds > 0 && tokens.size() > 1 ? static_cast<double>(tokens.size() - 1) / decode_seconds
                                                   : 0;
  }
};

class Session {
 public:
  /// Errors: kUsage when LoadOptions::sequences sessions are alive already.
  explicit Session(std::shared_ptr<Model> model);
  ~Session();
  Session(Session&&) noexcept;
  Session& operator=(Session&&) noexcept;

  /// The tokens of the sequence, read or still to be read.
  std::span<const Token> tokens() const;
  /// Adds tokens; they are read by the next call that needs them. Errors: kContext when they do not fit.
  void append(std::span<const Token> tokens);
  /// Makes the sequence exactly `tokens`, keeping the KV memory of the prefix that is the same.
  /// Returns how many tokens were kept. Errors: kContext.
  uint32_t assign(std::span<const Token> tokens);
  /// As assign(), for a conversation that may be longer than the context: what generations with
  /// ContextEnd::kShift forgot of it stays forgotten, and as much more is as leaves room for a token. Of what
  /// is left, KV memory is kept as far as it is the same. Errors: kContext when the first `keep` tokens leave
  /// no room to forget others.
  uint32_t assign_shifting(std::span<const Token> tokens, uint32_t keep);
  /// Tokens forgotten so far, by ContextEnd::kShift and assign_shifting(), of what it holds now.
  uint32_t dropped() const;
  /// Forgets all tokens from `length` on.
  void truncate(uint32_t length);

  /// Reads what is pending and returns the logits after the last token, (vocabulary).
  /// Errors: kUsage when the sequence is empty.
  std::vector<float> logits();
  /// Appends `tokens`, reads them in one batch per prefill chunk, and returns the logits after each of them,
  /// (tokens, vocabulary) row by row.
  std::vector<float> logits_of_each(std::span<const Token> tokens);

  /// Reads what is pending and generates. The generated tokens become part of the sequence.
  Generation generate(const GenerateOptions& options);

 private:
  friend std::vector<Generation> generate(std::span<struct GenerateRequest> requests);
  struct State;
  std::unique_ptr<State> state_;
};

/// One sequence's part of a common generation.
struct GenerateRequest {
  Session* session = nullptr;
  GenerateOptions options;
};

/// Generates for several sessions of one model side by side: one decode step serves all of them.
std::vector<Generation> generate(std::span<GenerateRequest> requests);

}  // namespace caldera
