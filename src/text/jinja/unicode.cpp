#include "text/jinja/unicode.hpp"

#include <utf8proc.h>

namespace caldera::text::jinja {
namespace {

constexpr char32_t kStrayByte = 0xDC00;

utf8proc_category_t category(char32_t code) {
  return utf8proc_category(static_cast<utf8proc_int32_t>(code));
}

}  // namespace

char32_t next_code_point(std::string_view text, size_t& offset) {
  const auto lead = static_cast<unsigned char>(text[offset]);
  if (lead < 0x80) {
    ++offset;
    return lead;
  }
  utf8proc_int32_t code = 0;
  const auto* bytes = reinterpret_cast<const utf8proc_uint8_t*>(text.data()) + offset;
  const auto length = utf8proc_iterate(bytes, static_cast<utf8proc_ssize_t>(text.size() - offset), &code);
  if (length > 0) {
    offset += static_cast<size_t>(length);
    return static_cast<char32_t>(code);
  }
  ++offset;
  return kStrayByte + lead;
}

void append_code_point(std::string& out, char32_t code) {
  if (code >= kStrayByte + 0x80 && code <= kStrayByte + 0xFF) {
    out.push_back(static_cast<char>(static_cast<unsigned char>(code - kStrayByte)));
    return;
  }
  utf8proc_uint8_t bytes[4];
  const auto length = utf8proc_encode_char(static_cast<utf8proc_int32_t>(code), bytes);
  out.append(reinterpret_cast<const char*>(bytes), static_cast<size_t>(length));
}

size_t code_point_count(std::string_view text) {
  size_t count = 0;
  for (size_t offset = 0; offset < text.size(); ++count) next_code_point(text, offset);
  return count;
}

size_t byte_offset(std::string_view text, size_t index) {
  size_t offset = 0;
  for (; index > 0 && offset < text.size(); --index) next_code_point(text, offset);
  return offset;
}

bool is_space(char32_t code) {
  return (code >= 0x09 && code <= 0x0D) || (code >= 0x1C && code <= 0x20) || code == 0x85 || code == 0xA0 ||
         code == 0x1680 || (code >= 0x2000 && code <= 0x200A) || code == 0x2028 || code == 0x2029 ||
         code == 0x202F || code == 0x205F || code == 0x3000;
}

bool is_alpha(char32_t code) {
  if (code < 0x80) return (code | 0x20) >= 'a' && (code | 0x20) <= 'z';
  const auto kind = category(code);
  return kind >= UTF8PROC_CATEGORY_LU && kind <= UTF8PROC_CATEGORY_LO;
}

bool is_printable(char32_t code) {
  if (code < 0x80) return code >= 0x20 && code != 0x7F;
  const auto kind = category(code);
  return kind != UTF8PROC_CATEGORY_CN && kind < UTF8PROC_CATEGORY_ZS;
}

char32_t to_upper(char32_t code) {
  if (code < 0x80) return code >= 'a' && code <= 'z' ? code - 0x20 : code;
  return static_cast<char32_t>(utf8proc_toupper(static_cast<utf8proc_int32_t>(code)));
}

char32_t to_lower(char32_t code) {
  if (code < 0x80) return code >= 'A' && code <= 'Z' ? code + 0x20 : code;
  return static_cast<char32_t>(utf8proc_tolower(static_cast<utf8proc_int32_t>(code)));
}

std::string upper(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (size_t offset = 0; offset < text.size();) {
    const char32_t code = next_code_point(text, offset);
    // The one mapping to two letters that ordinary text contains.
    if (code == 0xDF) {
      out += "SS";
    } else {
      append_code_point(out, to_upper(code));
    }
  }
  return out;
}

std::string lower(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (size_t offset = 0; offset < text.size();)
    append_code_point(out, to_lower(next_code_point(text, offset)));
  return out;
}

std::string_view strip(std::string_view text, const std::string_view* chars, bool left, bool right) {
  const auto stripped = [&](char32_t code) {
    if (chars == nullptr) return is_space(code);
    for (size_t offset = 0; offset < chars->size();) {
      if (next_code_point(*chars, offset) == code) return true;
    }
    return false;
  };
  size_t begin = 0;
  while (left && begin < text.size()) {
    size_t next = begin;
    if (!stripped(next_code_point(text, next))) break;
    begin = next;
  }
  size_t end = text.size();
  while (right && end > begin) {
    size_t previous = end - 1;
    // Back to the lead byte of a whole code point; a stray byte stands alone.
    for (size_t back = 1; back <= 4 && end - back + 1 > begin; ++back) {
      size_t after = end - back;
      next_code_point(text, after);
      if (after == end) previous = end - back;
      if ((static_cast<unsigned char>(text[end - back]) & 0xC0) != 0x80) break;
    }
    size_t after = previous;
    if (!stripped(next_code_point(text, after))) break;
    end = previous;
  }
  return text.substr(begin, end - begin);
}

}  // namespace caldera::text::jinja
