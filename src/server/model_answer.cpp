#include "server/model_answer.hpp"

#include <algorithm>
#include <random>
#include <utility>

namespace caldera::server {

AnswerParser::AnswerParser(const AnswerSyntax& syntax)
    : split_(syntax.reasoning),
      reasoning_(syntax.inside_reasoning),
      calls_(syntax.style, syntax.tools),
      begun_(syntax.begun) {}

std::vector<AnswerDelta> AnswerParser::push(std::string_view text) {
  std::vector<AnswerDelta> deltas;
  if (!begun_.empty()) calls_.push(std::exchange(begun_, {}), deltas);
  if (split_) {
    const std::string rest = reasoning_.push(text, deltas);
    calls_.push(rest, deltas);
  } else {
    calls_.push(text, deltas);
  }
  return deltas;
}

std::vector<AnswerDelta> AnswerParser::finish() {
  std::vector<AnswerDelta> deltas;
  if (!begun_.empty()) calls_.push(std::exchange(begun_, {}), deltas);
  if (split_) calls_.push(reasoning_.finish(deltas), deltas);
  calls_.finish(deltas);
  return deltas;
}

std::string ModelAnswer::text(AnswerDelta::Kind kind) const {
  std::string text;
  for (const AnswerBlock& block : blocks) {
    if (block.kind == kind) text += block.text;
  }
  return text;
}

bool ModelAnswer::has_tool_calls() const {
  return std::any_of(blocks.begin(), blocks.end(),
                     [](const AnswerBlock& block) { return block.kind == AnswerDelta::Kind::kToolCall; });
}

void apply_delta(ModelAnswer& answer, const AnswerDelta& delta, std::string_view call_prefix) {
  if (delta.kind == AnswerDelta::Kind::kToolCall) {
    answer.blocks.push_back({delta.kind, {}, random_id(call_prefix), delta.text});
    return;
  }
  const AnswerDelta::Kind kind =
      delta.kind == AnswerDelta::Kind::kToolArguments ? AnswerDelta::Kind::kToolCall : delta.kind;
  if (answer.blocks.empty() || answer.blocks.back().kind != kind) answer.blocks.push_back({kind, {}, {}, {}});
  answer.blocks.back().text += delta.text;
}

std::string random_id(std::string_view prefix) {
  constexpr std::string_view kLetters = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
  thread_local std::mt19937_64 random{std::random_device{}()};
  std::string id(prefix);
  for (int i = 0; i < 24; ++i) id += kLetters[random() % kLetters.size()];
  return id;
}

}  // namespace caldera::server
