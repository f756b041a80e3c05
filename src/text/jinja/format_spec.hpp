// One formatted value: the part that "%5.2f" and "{:5.2f}" share.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "text/jinja/runtime.hpp"
#include "text/jinja/value.hpp"

namespace caldera::text::jinja {

struct FormatSpec {
  char32_t fill = ' ';
  char align = 0;   ///< '<', '>', '^', '=' (pad after the sign), or 0 for what the type has
  char sign = '-';  ///< '+', ' ' or '-'
  bool alternate = false;
  bool thousands = false;
  int64_t width = 0;
  int64_t precision = -1;
  char type = 0;
};

/// Reads a decimal number at `offset`, moving past it; -1 where there is none. Errors: beyond 9 digits.
int64_t read_number(Runtime& runtime, std::string_view text, size_t& offset);

/// Digits of a number, with its sign, in the manner of spec.type. Errors: an unknown type, or a value unfit
/// for it.
std::string format_number(Runtime& runtime, const Value& value, const FormatSpec& spec);

/// Appends `text` padded to spec.width code points.
void append_padded(TextBuilder& out, std::string_view text, const FormatSpec& spec, bool number);

}  // namespace caldera::text::jinja
