#include "server/openai_usage.hpp"

#include "text/utf8.hpp"

namespace caldera::server {
namespace {

Json logprob_json(const TokenText& token) {
  Json bytes = Json::array();
  for (const char byte : token.bytes) bytes.push_back(static_cast<unsigned char>(byte));
  return {{"token", token_string(token)}, {"logprob", token.logprob}, {"bytes", std::move(bytes)}};
}

}  // namespace

TokenUsage token_usage(const AnswerHead& head, std::span<const ModelAnswer> answers) {
  TokenUsage usage;
  usage.prompt = head.prompt_tokens;
  for (size_t i = 0; i < answers.size(); ++i) {
    // What the answers to one prompt share is read once.
    if (i % head.choices_each == 0) usage.cached += answers[i].end.cached_tokens;
    usage.completion += answers[i].end.completion_tokens;
    usage.reasoning += answers[i].reasoning_tokens;
  }
  return usage;
}

Json usage_json(const TokenUsage& usage) {
  return {{"prompt_tokens", usage.prompt},
          {"completion_tokens", usage.completion},
          {"total_tokens", usage.prompt + usage.completion},
          {"prompt_tokens_details", {{"cached_tokens", usage.cached}}},
          {"completion_tokens_details", {{"reasoning_tokens", usage.reasoning}}}};
}

std::string_view finish_reason(const ModelAnswer& answer) {
  const StopReason reason = answer.end.reason;
  if (reason == StopReason::kMaxTokens || reason == StopReason::kContextFull) return "length";
  return answer.has_tool_calls() ? "tool_calls" : "stop";
}

Json logprob_list(std::span<const TokenLogprobs> logprobs) {
  Json list = Json::array();
  for (const TokenLogprobs& token : logprobs) {
    Json entry = logprob_json(token.drawn);
    Json top = Json::array();
    for (const TokenText& other : token.top) top.push_back(logprob_json(other));
    entry["top_logprobs"] = std::move(top);
    list.push_back(std::move(entry));
  }
  return list;
}

std::string token_string(const TokenText& token) {
  return text::replace_invalid_utf8(token.bytes);
}

}  // namespace caldera::server
