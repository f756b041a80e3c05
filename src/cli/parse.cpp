#include "cli/parse.hpp"

#include <fmt/format.h>

#include <charconv>
#include <cmath>
#include <limits>
#include <string>

#include "caldera/error.hpp"
#include "cli/output.hpp"

namespace caldera::cli {
namespace {

[[noreturn]] void refuse(std::string_view name, const std::string& wanted, std::string_view text) {
  throw Error(ErrorKind::kUsage,
              fmt::format("{} must be {}, not '{}'", name, wanted, escape(shorten(text, 40))));
}

template <typename Number>
bool parse_all(std::string_view text, Number& value) {
  const char* end = text.data() + text.size();
  const auto [stopped, error] = std::from_chars(text.data(), end, value);
  return error == std::errc() && stopped == end;
}

}  // namespace

uint64_t parse_integer(std::string_view name, std::string_view text, uint64_t least, uint64_t most) {
  uint64_t value = 0;
  if (!parse_all(text, value) || value < least || value > most) {
    refuse(name, fmt::format("a whole number from {} to {}", least, most), text);
  }
  return value;
}

float parse_number(std::string_view name, std::string_view text, float least, float most, bool open) {
  float value = 0;
  // The comparisons are written so that NaN fails them.
  if (!parse_all(text, value) || !(value >= least && value <= most) || (open && value == least)) {
    refuse(name,
           open ? fmt::format("a number above {} and at most {}", least, most)
                : fmt::format("a number from {} to {}", least, most),
           text);
  }
  return value;
}

uint64_t parse_size(std::string_view name, std::string_view text) {
  const std::string wanted = "a size such as 96GiB, 500M or 2000000000";
  double value = 0;
  const char* end = text.data() + text.size();
  const auto [stopped, error] = std::from_chars(text.data(), end, value, std::chars_format::fixed);
  if (error != std::errc() || !(value > 0)) refuse(name, wanted, text);
  std::string unit(stopped, end);
  while (!unit.empty() && unit.front() == ' ') unit.erase(0, 1);
  double factor = 1;
  if (!unit.empty() && unit != "B") {
    const size_t power = std::string_view("KMGT").find(unit[0] == 'k' ? 'K' : unit[0]);
    const std::string_view tail = std::string_view(unit).substr(1);
    if (power == std::string_view::npos || !(tail.empty() || tail == "i" || tail == "iB" || tail == "B")) {
      refuse(name, wanted, text);
    }
    factor = std::pow(tail == "B" ? 1000.0 : 1024.0, static_cast<double>(power + 1));
  }
  const double bytes = value * factor;
  // 2^63 is far above any device and exact as a double.
  if (!(bytes >= 1 && bytes < 9223372036854775808.0)) refuse(name, wanted, text);
  return static_cast<uint64_t>(bytes);
}

}  // namespace caldera::cli
