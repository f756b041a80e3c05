#include "text/jinja/text_search.hpp"

#include <algorithm>
#include <string>
#include <vector>

namespace caldera::text::jinja {
namespace {

// Below this length the library's search, whose cost is the product of the lengths, is the fastest.
constexpr size_t kShort = 64;

}  // namespace

size_t find_text(std::string_view text, std::string_view needle, size_t from) {
  if (needle.size() <= kShort) return text.find(needle, from);
  if (from > text.size() || needle.size() > text.size() - from) return std::string_view::npos;
  // Knuth, Morris and Pratt: border[i] is the longest proper border of the first i + 1 bytes of the needle.
  std::vector<size_t> border(needle.size(), 0);
  for (size_t i = 1, matched = 0; i < needle.size(); ++i) {
    while (matched > 0 && needle[i] != needle[matched]) matched = border[matched - 1];
    if (needle[i] == needle[matched]) ++matched;
    border[i] = matched;
  }
  for (size_t i = from, matched = 0; i < text.size(); ++i) {
    while (matched > 0 && text[i] != needle[matched]) matched = border[matched - 1];
    if (text[i] == needle[matched]) ++matched;
    if (matched == needle.size()) return i + 1 - matched;
  }
  return std::string_view::npos;
}

size_t rfind_text(std::string_view text, std::string_view needle) {
  if (needle.size() <= kShort) return text.rfind(needle);
  const std::string reversed(text.rbegin(), text.rend());
  const std::string reversed_needle(needle.rbegin(), needle.rend());
  const size_t found = find_text(reversed, reversed_needle, 0);
  return found == std::string_view::npos ? found : text.size() - found - needle.size();
}

}  // namespace caldera::text::jinja
