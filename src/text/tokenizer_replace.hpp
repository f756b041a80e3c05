// Replacing one spelling of a character by another.
#pragma once

#include <algorithm>
#include <string>
#include <string_view>

namespace caldera::text {

/// `text` with every `from` (not empty) replaced by `to`.
inline std::string replace_all(std::string_view text, std::string_view from, std::string_view to) {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    const size_t plain = std::min(text.find(from), text.size());
    out += text.substr(0, plain);
    text.remove_prefix(plain);
    if (text.empty()) break;
    out += to;
    text.remove_prefix(from.size());
  }
  return out;
}

}  // namespace caldera::text
