// Filters that make numbers.
#include <charconv>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <limits>

#include "text/jinja/arguments.hpp"
#include "text/jinja/filters.hpp"
#include "text/jinja/operators.hpp"
#include "text/jinja/unicode.hpp"

namespace caldera::text::jinja {
namespace {

// The text of a number without its white space and the underscores between digits; nothing if those are
// misplaced.
std::optional<std::string> bare_number(std::string_view text) {
  text = strip(text, nullptr, true, true);
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '_') {
      out.push_back(text[i]);
    } else if (i == 0 || i + 1 == text.size() || text[i - 1] == '_' || text[i - 1] == '.' ||
               text[i - 1] == '-') {
      return std::nullopt;
    }
  }
  return out;
}

// float(text) of Python.
std::optional<double> parse_float(std::string_view text) {
  auto bare = bare_number(text);
  if (!bare || bare->empty()) return std::nullopt;
  std::string_view digits = *bare;
  const bool plus = digits.front() == '+';
  if (plus) digits.remove_prefix(1);
  if (plus && digits.starts_with('-')) return std::nullopt;
  double value = 0;
  const char* end = digits.data() + digits.size();
  const auto read = std::from_chars(digits.data(), end, value);
  if (read.ptr != end || read.ec == std::errc::invalid_argument) return std::nullopt;
  if (read.ec == std::errc::result_out_of_range) return std::strtod(std::string(digits).c_str(), nullptr);
  if (digits.find('(') != std::string_view::npos) return std::nullopt;  // nan(...)
  return value;
}

std::optional<int64_t> parse_integer(Runtime& runtime, std::string_view text, int base) {
  auto bare = bare_number(text);
  if (!bare) return std::nullopt;
  std::string digits = *bare;
  bool negative = false;
  if (!digits.empty() && (digits[0] == '+' || digits[0] == '-')) {
    negative = digits[0] == '-';
    digits.erase(0, 1);
  }
  if (digits.size() > 2 && digits[0] == '0') {
    const char radix = static_cast<char>(digits[1] | 0x20);
    const int prefix = radix == 'x' ? 16 : radix == 'o' ? 8 : radix == 'b' ? 2 : 0;
    if (prefix != 0 && (prefix == base || base == 0)) {
      base = prefix;
      digits.erase(0, 2);
    }
  }
  if (base == 0) base = 10;
  if (digits.empty() || digits[0] == '-') return std::nullopt;
  if (negative) digits.insert(0, "-");
  int64_t value = 0;
  const auto read = std::from_chars(digits.data(), digits.data() + digits.size(), value, base);
  if (read.ptr != digits.data() + digits.size() || read.ec == std::errc::invalid_argument)
    return std::nullopt;
  if (read.ec != std::errc()) runtime.fail("an integer does not fit 64 bits");
  return value;
}

std::optional<int64_t> truncated(Runtime& runtime, double value) {
  if (std::isnan(value) || std::isinf(value)) return std::nullopt;
  if (!(std::abs(value) < 9.2e18)) runtime.fail("an integer does not fit 64 bits");
  return static_cast<int64_t>(value);
}

Value int_filter(Runtime& runtime, const Value& input, const Arguments& arguments) {
  const Parameters given(runtime, "int", arguments, {"default", "base"});
  if (input.is_undefined()) fail_undefined(runtime, input);
  std::optional<int64_t> value = input.as_index();
  if (input.is_float()) value = truncated(runtime, input.real());
  if (input.is_string()) {
    const int64_t base = given.integer(1, 10);
    if (base != 0 && (base < 2 || base > 36)) runtime.fail("int: the base must be 0 or 2 to 36");
    value = parse_integer(runtime, input.text(), static_cast<int>(base));
    if (!value) {
      if (const auto real = parse_float(input.text())) value = truncated(runtime, *real);
    }
  }
  if (value) return Value(*value);
  return given.has(0) ? given.at(0) : Value(int64_t{0});
}

Value float_filter(Runtime& runtime, const Value& input, const Arguments& arguments) {
  const Parameters given(runtime, "float", arguments, {"default"});
  if (input.is_undefined()) fail_undefined(runtime, input);
  const auto value = input.is_string() ? parse_float(input.text()) : input.as_number();
  if (value) return Value(*value);
  return given.has(0) ? given.at(0) : Value(0.0);
}

Value abs_filter(Runtime& runtime, const Value& input, const Arguments& arguments) {
  const Parameters none(runtime, "abs", arguments, {});
  if (input.is_float()) return Value(std::abs(input.real()));
  const auto index = input.as_index();
  if (index && *index < 0) return negate(runtime, input);
  return plus(runtime, input);
}

// round() of Python, which rounds the exact value, halves to even.
double round_common(Runtime& runtime, double value, int64_t digits) {
  if (digits > 300 || std::isnan(value) || std::isinf(value)) return value;
  if (digits < -308) return std::copysign(0.0, value);
  if (digits < 0) {
    const double unit = std::pow(10.0, static_cast<double>(-digits));
    return std::nearbyint(value / unit) * unit;
  }
  char buffer[700];
  std::snprintf(buffer, sizeof buffer, "%.*f", static_cast<int>(digits), value);
  const double rounded = std::strtod(buffer, nullptr);
  if (std::isinf(rounded)) runtime.fail("round: the result is out of range");
  return rounded;
}

Value round_filter(Runtime& runtime, const Value& input, const Arguments& arguments) {
  const Parameters given(runtime, "round", arguments, {"precision", "method"});
  const std::string_view method = given.text(1, "common");
  const int64_t digits = given.integer(0);
  if (input.is_undefined()) fail_undefined(runtime, input);
  const auto number = input.as_number();
  if (!number) runtime.fail("round needs a number, not " + input.type_name());
  if (method == "common") {
    if (input.is_float() || digits < 0) {
      const double rounded = round_common(runtime, *number, digits);
      if (input.is_float()) return Value(rounded);
      return Value(truncated(runtime, rounded).value_or(0));
    }
    return plus(runtime, input);
  }
  if (method != "ceil" && method != "floor") runtime.fail("round: the method must be common, ceil or floor");
  const double unit = std::pow(10.0, static_cast<double>(digits));
  const double scaled = *number * unit;
  return Value((method == "ceil" ? std::ceil(scaled) : std::floor(scaled)) / unit);
}

}  // namespace

const FilterEntry* number_filters() {
  static constexpr FilterEntry kFilters[] = {
      {"abs", abs_filter},     {"float", float_filter}, {"int", int_filter},
      {"round", round_filter}, {"", nullptr},
  };
  return kFilters;
}

}  // namespace caldera::text::jinja
