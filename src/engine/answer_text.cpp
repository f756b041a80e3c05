#include "engine/answer_text.hpp"

#include <algorithm>

namespace caldera::engine {

bool AnswerText::is_end(Token token) const {
  const auto& ends = tokenizer_.end_of_generation();
  return std::find(ends.begin(), ends.end(), token) != ends.end();
}

std::string AnswerText::push(Token token) {
  const bool known = static_cast<uint32_t>(token) < tokenizer_.size();
  return stops_.push(utf8_.push(known ? tokenizer_.piece(token) : std::string()));
}

std::string AnswerText::finish() {
  if (stops_.found()) return {};
  std::string rest = stops_.push(utf8_.finish());
  return rest + stops_.finish();
}

}  // namespace caldera::engine
