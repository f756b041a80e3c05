#include "text/jinja/format_spec.hpp"

#include <array>
#include <cmath>
#include <cstdio>

#include "text/jinja/operators.hpp"
#include "text/jinja/python_text.hpp"
#include "text/jinja/unicode.hpp"

namespace caldera::text::jinja {
namespace {

constexpr int64_t kMaxPrecision = 300;

std::string group_thousands(std::string digits) {
  const size_t end = std::min(digits.find_first_of(".e"), digits.size());
  for (size_t at = end; at > 3;) {
    at -= 3;
    digits.insert(at, ",");
  }
  return digits;
}

std::string integer_digits(Runtime& runtime, uint64_t magnitude, const FormatSpec& spec) {
  uint64_t base = 10;
  const char* prefix = "";
  switch (spec.type) {
    case 'x':
    case 'X':
      base = 16;
      prefix = spec.type == 'x' ? "0x" : "0X";
      break;
    case 'o':
      base = 8;
      prefix = "0o";
      break;
    case 'b':
      base = 2;
      prefix = "0b";
      break;
    case 0:
    case 'd':
    case 'i':
    case 'u':
    case 'n':
      break;
    default:
      runtime.fail(std::string("unknown format code '") + spec.type + "' for an integer");
  }
  const char* digits = spec.type == 'X' ? "0123456789ABCDEF" : "0123456789abcdef";
  std::string out;
  do {
    out.insert(out.begin(), digits[magnitude % base]);
    magnitude /= base;
  } while (magnitude != 0);
  return spec.alternate ? prefix + out : out;
}

std::string float_digits(Runtime& runtime, double magnitude, const FormatSpec& spec) {
  if (spec.precision > kMaxPrecision) runtime.fail("a precision above 300 digits is not supported");
  if (spec.type == 0 && spec.precision < 0) return float_repr(magnitude);
  const char type = spec.type == 0 || spec.type == 'n' ? 'g' : spec.type;
  if (std::string_view("eEfFgG%").find(type) == std::string_view::npos) {
    runtime.fail(std::string("unknown format code '") + spec.type + "' for a float");
  }
  const char conversion[] = {'%', '.', '*', type == '%' ? 'f' : type, 0};
  const int precision = spec.precision < 0 ? 6 : static_cast<int>(spec.precision);
  std::array<char, 1024> buffer;  // 309 digits, a point and 300 more
  const int length = std::snprintf(buffer.data(), buffer.size(), conversion, precision,
                                   type == '%' ? magnitude * 100 : magnitude);
  std::string out(buffer.data(), static_cast<size_t>(length));
  // Without a type Python always shows a float as one.
  if (spec.type == 0 && out.find_first_of(".einf") == std::string::npos) out += ".0";
  return type == '%' ? out + "%" : out;
}

}  // namespace

int64_t read_number(Runtime& runtime, std::string_view text, size_t& offset) {
  const size_t begin = offset;
  int64_t number = 0;
  for (; offset < text.size() && text[offset] >= '0' && text[offset] <= '9'; ++offset) {
    if (offset - begin >= 9) runtime.fail("a number in a format is too large");
    number = number * 10 + (text[offset] - '0');
  }
  return offset == begin ? -1 : number;
}

std::string format_number(Runtime& runtime, const Value& value, const FormatSpec& spec) {
  const bool as_float = value.is_float() || std::string_view("eEfFgG%").find(spec.type ? spec.type : 'd') !=
                                                std::string_view::npos;
  bool negative = false;
  std::string digits;
  if (as_float) {
    const auto real = value.as_number();
    if (!real) runtime.fail("a number is needed, not " + value.type_name());
    negative = std::signbit(*real) && !std::isnan(*real);
    digits = float_digits(runtime, std::abs(*real), spec);
  } else {
    const auto index = value.as_index();
    if (!index) runtime.fail("a number is needed, not " + value.type_name());
    negative = *index < 0;
    const auto bits = static_cast<uint64_t>(*index);
    digits = integer_digits(runtime, negative ? 0 - bits : bits, spec);
  }
  if (spec.thousands) digits = group_thousands(std::move(digits));
  if (negative) return "-" + digits;
  return spec.sign == '-' ? digits : spec.sign + digits;
}

void append_padded(TextBuilder& out, std::string_view text, const FormatSpec& spec, bool number) {
  const auto length = static_cast<int64_t>(code_point_count(text));
  const int64_t room = spec.width > length ? spec.width - length : 0;
  std::string fill;
  append_code_point(fill, spec.fill);
  const char align = spec.align != 0 ? spec.align : number ? '>' : '<';
  if (align == '=') {
    size_t head = !text.empty() && (text[0] == '-' || text[0] == '+' || text[0] == ' ') ? 1 : 0;
    if (spec.alternate && text.size() > head + 1 && text[head] == '0') head += 2;
    out.append(text.substr(0, head));
    out.repeat(fill, room);
    out.append(text.substr(head));
    return;
  }
  const int64_t before = align == '>' ? room : align == '^' ? room / 2 : 0;
  out.repeat(fill, before);
  out.append(text);
  out.repeat(fill, room - before);
}

}  // namespace caldera::text::jinja
