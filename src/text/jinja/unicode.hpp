// Strings as Python sees them: sequences of Unicode code points, stored here as UTF-8.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace caldera::text::jinja {

/// Code point at byte `offset` (< size), which moves past it. A byte that is not part of valid UTF-8 counts
/// as one code point, U+DC00 plus the byte, as Python's "surrogateescape" does, so that no text can fail
/// here.
char32_t next_code_point(std::string_view text, size_t& offset);
/// Appends `code` as UTF-8; the code points that stand for stray bytes become those bytes again.
void append_code_point(std::string& out, char32_t code);

size_t code_point_count(std::string_view text);
/// Byte offset of code point `index`, or size() where there are fewer.
size_t byte_offset(std::string_view text, size_t index);

/// Python's str.isspace, isalpha, isprintable and str.upper, lower for one code point.
bool is_space(char32_t code);
bool is_alpha(char32_t code);
bool is_printable(char32_t code);
char32_t to_upper(char32_t code);
char32_t to_lower(char32_t code);

std::string upper(std::string_view text);
std::string lower(std::string_view text);

/// `text` without the code points of `chars` (white space where `chars` is null) at its ends.
std::string_view strip(std::string_view text, const std::string_view* chars, bool left, bool right);

}  // namespace caldera::text::jinja
