#include "server/json_scanner.hpp"

#include <nlohmann/json.hpp>
#include <string_view>

namespace caldera::server {
namespace {

constexpr size_t kMaxDepth = 64;
constexpr size_t kMaxLiteral = 64;

bool is_space(char c) {
  return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}
bool is_hex(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

}  // namespace

void JsonScanner::string_character(char c) {
  if (hex_left_ > 0) {
    if (!is_hex(c)) place_ = Place::kBroken;
    --hex_left_;
  } else if (escaped_) {
    escaped_ = false;
    if (c == 'u') {
      hex_left_ = 4;
    } else if (std::string_view("\"\\/bfnrt").find(c) == std::string_view::npos) {
      place_ = Place::kBroken;
    }
  } else if (c == '\\') {
    escaped_ = true;
  } else if (c == '"') {
    if (place_ == Place::kInKey) {
      place_ = Place::kColon;
    } else {
      end_value();
    }
  } else if (static_cast<unsigned char>(c) < 0x20) {
    place_ = Place::kBroken;
  }
}

void JsonScanner::value(char c) {
  if (c == '"') {
    place_ = Place::kInString;
  } else if (c == '{' || c == '[') {
    if (open_.size() == kMaxDepth) {
      place_ = Place::kBroken;
      return;
    }
    open_.push_back(c);
    place_ = c == '{' ? Place::kFirstKey : Place::kFirstElement;
  } else {
    literal_ = c;
    const bool may_begin = std::string_view("-0123456789tfn").find(c) != std::string_view::npos;
    place_ = may_begin ? Place::kInLiteral : Place::kBroken;
  }
}

void JsonScanner::after(char c) {
  const bool object = !open_.empty() && open_.back() == '{';
  if (c == ',' && !open_.empty()) {
    place_ = object ? Place::kKey : Place::kValue;
  } else if (!open_.empty() && c == (object ? '}' : ']')) {
    open_.pop_back();
    end_value();
  } else {
    place_ = Place::kBroken;
  }
}

void JsonScanner::push(char c) {
  switch (place_) {
    case Place::kInKey:
    case Place::kInString:
      return string_character(c);
    case Place::kInLiteral:
      if (!is_space(c) && c != ',' && c != '}' && c != ']') {
        literal_ += c;
        if (literal_.size() > kMaxLiteral) place_ = Place::kBroken;
        return;
      }
      if (!nlohmann::json::accept(literal_)) {
        place_ = Place::kBroken;
        return;
      }
      end_value();
      if (is_space(c)) return;
      return after(c);
    case Place::kDone:
    case Place::kBroken:
      return;
    default:
      break;
  }
  if (is_space(c)) return;
  switch (place_) {
    case Place::kValue:
      return value(c);
    case Place::kFirstElement:
      return c == ']' ? after(c) : value(c);
    case Place::kFirstKey:
      if (c == '}') return after(c);
      [[fallthrough]];
    case Place::kKey:
      place_ = c == '"' ? Place::kInKey : Place::kBroken;
      return;
    case Place::kColon:
      place_ = c == ':' ? Place::kValue : Place::kBroken;
      return;
    default:
      return after(c);
  }
}

}  // namespace caldera::server
