#include "server/answer_delta.hpp"

#include <algorithm>

namespace caldera::server {
namespace {
constexpr std::string_view kSpace = " \t\r\n";
}

void add_delta(std::vector<AnswerDelta>& deltas, AnswerDelta::Kind kind, std::string_view text,
               uint32_t call) {
  if (text.empty()) return;
  const bool joins = kind != AnswerDelta::Kind::kToolCall && !deltas.empty() && deltas.back().kind == kind &&
                     deltas.back().call == call;
  if (joins) {
    deltas.back().text += text;
  } else {
    deltas.push_back({kind, std::string(text), call});
  }
}

size_t held_back(std::string_view text, std::string_view marker) {
  for (size_t length = std::min(text.size(), marker.size() - 1); length > 0; --length) {
    if (text.substr(text.size() - length) == marker.substr(0, length)) return length;
  }
  return 0;
}

size_t held_space(std::string_view text) {
  constexpr size_t kMost = 64;
  const size_t last = text.find_last_not_of(kSpace);
  const size_t length = last == std::string_view::npos ? text.size() : text.size() - last - 1;
  return length <= kMost ? length : 0;
}

size_t leading_space(std::string_view text) {
  return std::min(text.find_first_not_of(kSpace), text.size());
}

}  // namespace caldera::server
