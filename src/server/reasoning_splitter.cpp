#include "server/reasoning_splitter.hpp"

#include <utility>

namespace caldera::server {
namespace {
constexpr std::string_view kOpen = "<think>";
constexpr std::string_view kClose = "</think>";
}  // namespace

ReasoningSplitter::ReasoningSplitter(bool inside) : place_(inside ? Place::kInside : Place::kBefore) {}

std::string ReasoningSplitter::push(std::string_view text, std::vector<AnswerDelta>& deltas) {
  if (place_ == Place::kPast) return std::string(text);
  held_ += text;
  return take(deltas);
}

std::string ReasoningSplitter::take(std::vector<AnswerDelta>& deltas) {
  if (place_ == Place::kBefore) {
    const std::string_view rest = std::string_view(held_).substr(leading_space(held_));
    if (rest.starts_with(kOpen)) {
      held_ = std::string(rest.substr(kOpen.size()));
      place_ = Place::kInside;
    } else if (kOpen.starts_with(rest)) {
      return {};
    } else {
      place_ = Place::kPast;
      return std::exchange(held_, {});
    }
  }
  if (place_ == Place::kInside) {
    if (!any_) held_.erase(0, leading_space(held_));
    const size_t close = held_.find(kClose);
    size_t end = close != std::string::npos ? close : held_.size() - held_back(held_, kClose);
    end -= held_space(std::string_view(held_).substr(0, end));
    add_delta(deltas, AnswerDelta::Kind::kReasoning, std::string_view(held_).substr(0, end));
    any_ = any_ || end > 0;
    if (close == std::string::npos) {
      held_.erase(0, end);
      return {};
    }
    held_.erase(0, close + kClose.size());
    place_ = Place::kBehind;
  }
  held_.erase(0, leading_space(held_));
  if (held_.empty()) return {};
  place_ = Place::kPast;
  return std::exchange(held_, {});
}

std::string ReasoningSplitter::finish(std::vector<AnswerDelta>& deltas) {
  if (place_ == Place::kInside) {
    add_delta(deltas, AnswerDelta::Kind::kReasoning, held_);
    held_.clear();
  }
  place_ = Place::kPast;
  return std::exchange(held_, {});
}

bool opens_reasoning(std::string_view prompt) {
  prompt.remove_suffix(held_space(prompt));
  return prompt.ends_with(kOpen);
}

}  // namespace caldera::server
