// What the answers of the OpenAI dialect have in common.
#pragma once

#include <span>
#include <string_view>

#include "server/answer_writer.hpp"

namespace caldera::server {

inline constexpr std::string_view kSystemFingerprint = "fp_caldera";

/// Tokens of a request, for any dialect.
struct TokenUsage {
  uint64_t prompt = 0;
  uint64_t cached = 0;  ///< of `prompt`
  uint64_t completion = 0;
  uint64_t reasoning = 0;  ///< of `completion`
};
TokenUsage token_usage(const AnswerHead& head, std::span<const ModelAnswer> answers);

/// {"prompt_tokens","completion_tokens","total_tokens", details}
Json usage_json(const TokenUsage& usage);

/// "stop", "length" or "tool_calls".
std::string_view finish_reason(const ModelAnswer& answer);

/// {"token","logprob","bytes","top_logprobs"} of each token.
Json logprob_list(std::span<const TokenLogprobs> logprobs);

/// Bytes of a token as a string: broken UTF-8 becomes U+FFFD.
std::string token_string(const TokenText& token);

}  // namespace caldera::server
