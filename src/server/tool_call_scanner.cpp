#include "server/tool_call_scanner.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

namespace caldera::server {
namespace {

using Place = JsonScanner::Place;

bool means_arguments(std::string_view key) {
  return key == "arguments" || key == "parameters";
}

}  // namespace

size_t ToolCallScanner::push(std::string_view text) {
  size_t taken = 0;
  while (taken < text.size() && state_ == State::kMore) take(text[taken++]);
  raw_ += text.substr(0, taken);
  return taken;
}

void ToolCallScanner::take(char c) {
  const Place before = scanner_.place();
  const size_t depth = scanner_.depth();
  scanner_.push(c);
  const Place after = scanner_.place();
  if (after == Place::kBroken || (depth == 0 && after != Place::kFirstKey)) {
    state_ = State::kBroken;
    return;
  }
  if (depth == 0) return;
  if (depth == 1 && (before == Place::kInKey || after == Place::kInKey)) {
    if (before != Place::kInKey) key_.clear();
    key_ += c;
    if (after == Place::kColon) {
      const auto key = nlohmann::json::parse(key_, nullptr, false);
      key_ = key.is_string() ? key.get<std::string>() : std::string();
    }
    return;
  }
  if (depth == 1 && before == Place::kValue && after != Place::kValue) {
    in_member_ = true;
    in_arguments_ = means_arguments(key_) && after == Place::kFirstKey;
    member_.clear();
    if (in_arguments_) {
      if (std::exchange(arguments_begun_, true)) state_ = State::kBroken;
    }
  }
  if (in_member_) {
    const bool ended =
        scanner_.depth() <= 1 && (after == Place::kAfter || after == Place::kKey || after == Place::kDone);
    // A literal's end is seen at the character behind it.
    const bool belongs = !(before == Place::kInLiteral && depth == 1 && ended);
    if (belongs) (in_arguments_ ? arguments_ : member_) += c;
    if (ended) end_member();
  }
  if (after == Place::kDone && state_ == State::kMore) end_object();
}

void ToolCallScanner::end_member() {
  in_member_ = false;
  if (std::exchange(in_arguments_, false)) return;
  const auto value = nlohmann::json::parse(member_, nullptr, false);
  if (key_ == "name" || key_ == "function") {
    if (!value.is_string() || known_) return;
    name_ = value.get<std::string>();
    known_ = std::find(names_.begin(), names_.end(), name_) != names_.end();
    if (!known_) state_ = State::kBroken;
  } else if (means_arguments(key_) && !arguments_begun_) {
    if (value.is_string() && nlohmann::json::parse(value.get<std::string>(), nullptr, false).is_object()) {
      arguments_begun_ = true;
      arguments_ = value.get<std::string>();
    } else if (!value.is_null()) {
      state_ = State::kBroken;
    }
  }
}

void ToolCallScanner::end_object() {
  if (!known_) {
    state_ = State::kBroken;
    return;
  }
  if (!std::exchange(arguments_begun_, true)) arguments_ = "{}";
  state_ = State::kDone;
}

std::string ToolCallScanner::take_arguments() {
  return std::exchange(arguments_, {});
}

}  // namespace caldera::server
