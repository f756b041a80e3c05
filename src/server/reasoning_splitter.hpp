// Takes <think>...</think> off the beginning of an answer, as DeepSeek-R1, QwQ and Qwen3 write it.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "server/answer_delta.hpp"

namespace caldera::server {

class ReasoningSplitter {
 public:
  /// `inside`: the prompt ended with <think>, so the answer begins with reasoning.
  explicit ReasoningSplitter(bool inside);

  /// Appends reasoning to `deltas`, and returns what is not reasoning. White space around the reasoning goes.
  std::string push(std::string_view text, std::vector<AnswerDelta>& deltas);
  /// The same for what was held back, at the end.
  std::string finish(std::vector<AnswerDelta>& deltas);

  bool inside() const { return place_ == Place::kInside; }

 private:
  enum class Place { kBefore, kInside, kBehind, kPast };
  std::string take(std::vector<AnswerDelta>& deltas);

  Place place_;
  bool any_ = false;  ///< reasoning was seen: white space at its beginning is past
  std::string held_;
};

/// Whether a prompt leaves the model inside <think>.
bool opens_reasoning(std::string_view prompt);

}  // namespace caldera::server
