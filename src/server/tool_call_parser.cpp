#include "server/tool_call_parser.hpp"

#include <algorithm>
#include <utility>

namespace caldera::server {
namespace {

constexpr std::string_view kPythonTag = "<|python_tag|>";
constexpr std::string_view kOpen = "<tool_call>";
constexpr std::string_view kClose = "</tool_call>";

std::string_view marker(ToolStyle style) {
  return style == ToolStyle::kHermes ? kOpen : kPythonTag;
}

}  // namespace

ToolStyle tool_style(std::string_view chat_template) {
  const auto has = [&](std::string_view text) { return chat_template.find(text) != std::string_view::npos; };
  if (!has("tools")) return ToolStyle::kNone;
  return has(kOpen) ? ToolStyle::kHermes : ToolStyle::kLlama3;
}

ToolCallParser::ToolCallParser(ToolStyle style, std::vector<std::string> names)
    : style_(style), names_(std::move(names)) {}

void ToolCallParser::push(std::string_view text, std::vector<AnswerDelta>& deltas) {
  if (style_ == ToolStyle::kNone) return add_delta(deltas, AnswerDelta::Kind::kContent, text);
  held_ += text;
  while (step(deltas, false)) {
  }
}

void ToolCallParser::finish(std::vector<AnswerDelta>& deltas) {
  while (step(deltas, true)) {
  }
  if (place_ == Place::kObject && !announced_) {
    give_up();
    while (step(deltas, true)) {
    }
  }
}

// Each of these returns whether something was done and more may be.

bool ToolCallParser::step(std::vector<AnswerDelta>& deltas, bool last) {
  switch (place_) {
    case Place::kStart:
      return start(last);
    case Place::kText:
      return text(deltas, last);
    case Place::kBefore:
      return before(last);
    case Place::kObject:
      return object(deltas);
    case Place::kBehind:
      return behind(last);
    default:
      return skip();
  }
}

bool ToolCallParser::start(bool last) {
  const std::string_view rest = std::string_view(held_).substr(leading_space(held_));
  if (rest.empty() && !last) return false;
  place_ = Place::kText;
  if (style_ == ToolStyle::kLlama3 && (rest.starts_with('{') || rest.starts_with('['))) {
    place_ = Place::kBefore;
    opened_.clear();
  }
  return true;
}

bool ToolCallParser::text(std::vector<AnswerDelta>& deltas, bool last) {
  if (held_.empty()) return false;
  const std::string_view mark = marker(style_);
  const size_t found = held_.find(mark, plain_);
  size_t end = found;
  if (found == std::string::npos) end = held_.size() - (last ? 0 : held_back(held_, mark));
  // White space may be what stands before a call, and then goes.
  if (found != std::string::npos || !last) end -= held_space(std::string_view(held_).substr(0, end));
  end = std::max(end, std::min(plain_, held_.size()));
  add_delta(deltas, AnswerDelta::Kind::kContent, std::string_view(held_).substr(0, end));
  if (end > 0) plain_ = 0;
  if (found == std::string::npos) {
    held_.erase(0, end);
    return false;
  }
  opened_ = held_.substr(end, found + mark.size() - end);
  held_.erase(0, found + mark.size());
  place_ = Place::kBefore;
  return true;
}

bool ToolCallParser::before(bool last) {
  size_t skipped = leading_space(held_);
  if (style_ == ToolStyle::kLlama3 && skipped < held_.size() && held_[skipped] == '[') {
    ++skipped;
    skipped += leading_space(std::string_view(held_).substr(skipped));
  }
  if (skipped == held_.size()) {
    if (last) give_up();
    return last;
  }
  opened_ += held_.substr(0, skipped);
  held_.erase(0, skipped);
  if (held_[0] == '{') {
    begin_call();
  } else {
    give_up();
  }
  return true;
}

void ToolCallParser::begin_call() {
  scanner_.emplace(names_);
  announced_ = false;
  place_ = Place::kObject;
}

bool ToolCallParser::object(std::vector<AnswerDelta>& deltas) {
  if (held_.empty()) return false;
  held_.erase(0, scanner_->push(held_));
  // What was certain before it broke is out by then where text comes in small pieces: so it is always.
  if (scanner_->certain()) {
    if (!std::exchange(announced_, true)) {
      add_delta(deltas, AnswerDelta::Kind::kToolCall, scanner_->name(), calls_++);
    }
    add_delta(deltas, AnswerDelta::Kind::kToolArguments, scanner_->take_arguments(), calls_ - 1);
  }
  if (scanner_->state() == ToolCallScanner::State::kBroken) {
    if (announced_) {
      scanner_.reset();
      place_ = Place::kSkip;
    } else {
      give_up();
    }
    return true;
  }
  if (scanner_->state() != ToolCallScanner::State::kDone) return false;
  scanner_.reset();
  place_ = Place::kBehind;
  return true;
}

bool ToolCallParser::behind(bool last) {
  size_t skipped = leading_space(held_);
  if (style_ == ToolStyle::kLlama3) {
    skipped = std::min(held_.find_first_not_of(" \t\r\n;,]"), held_.size());
  }
  const std::string_view rest = std::string_view(held_).substr(skipped);
  if (rest.empty()) {
    held_.clear();
    return false;
  }
  if (style_ == ToolStyle::kHermes && kClose.starts_with(rest) && rest != kClose && !last) return false;
  held_.erase(0, skipped);
  if (style_ == ToolStyle::kHermes) {
    // A model may forget to close: what comes next is read all the same.
    if (held_.starts_with(kClose)) {
      held_.erase(0, kClose.size());
    } else {
      place_ = Place::kText;
    }
    return true;
  }
  if (held_[0] == '{') {
    opened_.clear();
    begin_call();
  } else {
    place_ = Place::kText;
  }
  return true;
}

bool ToolCallParser::skip() {
  const size_t close = style_ == ToolStyle::kHermes ? held_.find(kClose) : std::string::npos;
  if (close == std::string::npos) {
    if (style_ == ToolStyle::kHermes) {
      held_.erase(0, held_.size() - held_back(held_, kClose));
    } else {
      held_.clear();
    }
    return false;
  }
  held_.erase(0, close + kClose.size());
  place_ = Place::kBehind;
  return true;
}

void ToolCallParser::give_up() {
  held_ = opened_ + (scanner_ ? scanner_->raw() : std::string()) + held_;
  plain_ = opened_.size();
  scanner_.reset();
  opened_.clear();
  place_ = Place::kText;
}

}  // namespace caldera::server
