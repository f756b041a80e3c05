// One answer as it grows, and how its text is taken apart.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "caldera/service.hpp"
#include "server/answer_delta.hpp"
#include "server/reasoning_splitter.hpp"
#include "server/tool_call_parser.hpp"

namespace caldera::server {

/// A part of an answer: reasoning, content or a tool call.
struct AnswerBlock {
  AnswerDelta::Kind kind = AnswerDelta::Kind::kContent;  ///< kReasoning, kContent or kToolCall
  std::string text;                                      ///< of a call: its arguments, JSON
  std::string id;                                        ///< of a call: "call_..."
  std::string name;                                      ///< of a call
};

/// A drawn token with its bytes.
struct TokenText {
  std::string bytes;
  float logprob = 0;
};

struct TokenLogprobs {
  TokenText drawn;
  std::vector<TokenText> top;
};

/// What one choice came to.
struct ModelAnswer {
  std::vector<AnswerBlock> blocks;  ///< in the order they came
  std::vector<TokenLogprobs> logprobs;
  uint32_t reasoning_tokens = 0;
  CompletionEnd end;

  /// The text of all blocks of that kind.
  std::string text(AnswerDelta::Kind kind) const;
  bool has_tool_calls() const;
};

/// How a model's text is to be understood.
struct AnswerSyntax {
  ToolStyle style = ToolStyle::kNone;
  std::vector<std::string> tools;  ///< that may be called
  bool reasoning = true;           ///< whether <think> at the beginning is taken off
  bool inside_reasoning = false;   ///< the prompt ends within it
  std::string begun;               ///< what the prompt has of the answer already: the beginning of a call
  bool parallel = true;            ///< more calls than one are wanted
};

class AnswerParser {
 public:
  explicit AnswerParser(const AnswerSyntax& syntax);

  std::vector<AnswerDelta> push(std::string_view text);
  std::vector<AnswerDelta> finish();
  bool inside_reasoning() const { return reasoning_.inside(); }

 private:
  bool split_;
  ReasoningSplitter reasoning_;
  ToolCallParser calls_;
  std::string begun_;
};

/// Adds to an answer's blocks; a new call gets an id that begins with `call_prefix`.
void apply_delta(ModelAnswer& answer, const AnswerDelta& delta, std::string_view call_prefix = "call_");

/// `prefix` and 24 random letters and digits: "call_Ab3...".
std::string random_id(std::string_view prefix);

}  // namespace caldera::server
