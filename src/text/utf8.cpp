#include "text/utf8.hpp"

#include <cstdint>

namespace caldera::text {
namespace {

constexpr std::string_view kReplacement = "\xEF\xBF\xBD";

/// What the bytes at the start of a string are.
struct Part {
  enum Kind { kCharacter, kInvalid, kIncomplete } kind;
  size_t length;  // bytes; for kInvalid the maximal part that one U+FFFD stands for
};

/// Reads the character that `text` (not empty) starts with. The ranges of the second byte are those of the
/// Unicode Standard 15, table 3-7; the length of an invalid part follows its section 3.9, "U+FFFD
/// substitution of maximal subparts".
Part first_part(std::string_view text) {
  const auto byte = [&](size_t i) { return static_cast<uint8_t>(text[i]); };
  const uint8_t lead = byte(0);
  if (lead < 0x80) return {Part::kCharacter, 1};
  if (lead < 0xC2 || lead > 0xF4) return {Part::kInvalid, 1};
  const size_t length = lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
  const uint8_t low = lead == 0xE0 ? 0xA0 : lead == 0xF0 ? 0x90 : 0x80;
  const uint8_t high = lead == 0xED ? 0x9F : lead == 0xF4 ? 0x8F : 0xBF;
  for (size_t i = 1; i < length; ++i) {
    if (i >= text.size()) return {Part::kIncomplete, i};
    const bool fits = i == 1 ? byte(1) >= low && byte(1) <= high : (byte(i) & 0xC0) == 0x80;
    if (!fits) return {Part::kInvalid, i};
  }
  return {Part::kCharacter, length};
}

/// Appends `text` to `out` with U+FFFD for invalid parts, up to an incomplete character at the end; returns
/// the number of bytes taken.
size_t append_replaced(std::string_view text, std::string& out) {
  size_t at = 0;
  while (at < text.size()) {
    const size_t invalid = find_invalid_utf8(text.substr(at));
    if (invalid == std::string_view::npos) {
      out.append(text.substr(at));
      return text.size();
    }
    out.append(text.substr(at, invalid));
    at += invalid;
    const Part part = first_part(text.substr(at));
    if (part.kind == Part::kIncomplete) return at;
    out.append(kReplacement);
    at += part.length;
  }
  return at;
}

}  // namespace

size_t find_invalid_utf8(std::string_view text) {
  for (size_t at = 0; at < text.size();) {
    const Part part = first_part(text.substr(at));
    if (part.kind != Part::kCharacter) return at;
    at += part.length;
  }
  return std::string_view::npos;
}

std::string replace_invalid_utf8(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  if (append_replaced(text, out) < text.size()) out.append(kReplacement);
  return out;
}

std::string Utf8Stream::push(std::string_view bytes) {
  held_.append(bytes);
  std::string out;
  held_.erase(0, append_replaced(held_, out));
  return out;
}

std::string Utf8Stream::finish() {
  if (held_.empty()) return {};
  held_.clear();
  return std::string(kReplacement);
}

}  // namespace caldera::text
