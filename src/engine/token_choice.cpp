#include "engine/token_choice.hpp"

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>
#include <vector>

namespace caldera::engine {
namespace {

/// Of what cannot be drawn at all; JSON has no infinity.
constexpr double kLeastLogprob = -9999;

}  // namespace

void undo_penalties(std::span<float> logits, const SamplingOptions& sampling, std::span<const Token> before) {
  std::map<Token, uint32_t> counts;
  for (const Token token : before.last(std::min<size_t>(before.size(), sampling.penalty_window)))
    ++counts[token];
  for (const auto& [token, count] : counts) {
    float& logit = logits[static_cast<size_t>(token)];
    logit += sampling.presence_penalty + static_cast<float>(count) * sampling.frequency_penalty;
    logit = logit > 0 ? logit * sampling.repeat_penalty : logit / sampling.repeat_penalty;
  }
}

TokenChoice choice_of(std::span<const float> logits, Token drawn, uint32_t top) {
  const double largest = *std::ranges::max_element(logits);
  double sum = 0;
  for (const float logit : logits) sum += std::exp(logit - largest);
  const double whole = largest + std::log(sum);
  const auto logprob = [&](Token token) -> TokenLogprob {
    const double value = logits[static_cast<size_t>(token)] - whole;
    return {token, static_cast<float>(value > kLeastLogprob ? value : kLeastLogprob)};
  };
  TokenChoice choice;
  choice.drawn = logprob(drawn);
  std::vector<Token> tokens(logits.size());
  std::iota(tokens.begin(), tokens.end(), 0);
  const size_t count = std::min<size_t>(top, tokens.size());
  std::partial_sort(tokens.begin(), tokens.begin() + static_cast<ptrdiff_t>(count), tokens.end(),
                    [&](Token one, Token other) {
                      const float a = logits[static_cast<size_t>(one)];
                      const float b = logits[static_cast<size_t>(other)];
                      return a != b ? a > b : one < other;
                    });
  for (size_t i = 0; i < count; ++i) choice.top.push_back(logprob(tokens[i]));
  return choice;
}

}  // namespace caldera::engine
