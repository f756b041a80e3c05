#include "text/jinja/string_literal.hpp"

#include <charconv>
#include <cstdint>

#include "text/jinja/template_error.hpp"
#include "text/jinja/unicode.hpp"

namespace caldera::text::jinja {
namespace {

constexpr std::string_view kNames = "abfnrtv\\'\"";
constexpr std::string_view kCharacters = "\a\b\f\n\r\t\v\\'\"";

bool is_octal(char c) {
  return c >= '0' && c <= '7';
}

class Unescaper {
 public:
  Unescaper(std::string_view literal, int line) : literal_(literal), line_(line) {}

  std::string run() {
    while (offset_ < literal_.size()) {
      const char c = literal_[offset_++];
      if (c != '\\' || offset_ >= literal_.size()) {
        out_.push_back(c);
      } else {
        escape(literal_[offset_++]);
      }
    }
    return std::move(out_);
  }

 private:
  void escape(char name) {
    if (const size_t known = kNames.find(name); known != std::string_view::npos) {
      out_.push_back(kCharacters[known]);
    } else if (name == 'x') {
      append_code_point(out_, hex(2));
    } else if (name == 'u' || name == 'U') {
      unicode(hex(name == 'u' ? 4 : 8));
    } else if (is_octal(name)) {
      char32_t code = static_cast<char32_t>(name - '0');
      for (int i = 0; i < 2 && offset_ < literal_.size() && is_octal(literal_[offset_]); ++i) {
        code = code * 8 + static_cast<char32_t>(literal_[offset_++] - '0');
      }
      append_code_point(out_, code);
    } else if (name == 'N') {
      fail_syntax(line_, "characters by name (\\N{...}) are not supported; write \\u and the number");
    } else if (name != '\n') {
      out_ += {'\\', name};
    }
  }

  char32_t hex(size_t count) {
    const std::string_view digits = literal_.substr(offset_, count);
    uint32_t code = 0;
    const auto read = std::from_chars(digits.data(), digits.data() + digits.size(), code, 16);
    if (digits.size() != count || read.ec != std::errc() || read.ptr != digits.data() + count ||
        code > 0x10FFFF) {
      fail_syntax(line_, "a string has an escape that is cut short or out of range");
    }
    offset_ += count;
    return code;
  }

  void unicode(char32_t code) {
    const bool high = code >= 0xD800 && code < 0xDC00;
    if (high && literal_.substr(offset_).starts_with("\\u")) {
      const size_t begin = offset_;
      offset_ += 2;
      const char32_t low = hex(4);
      if (low >= 0xDC00 && low < 0xE000) {
        return append_code_point(out_, 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00));
      }
      offset_ = begin;
    }
    // Half of a surrogate pair is no character, and no UTF-8 holds it.
    append_code_point(out_, code >= 0xD800 && code < 0xE000 ? 0xFFFD : code);
  }

  std::string_view literal_;
  int line_;
  size_t offset_ = 0;
  std::string out_;
};

}  // namespace

std::string unescape(std::string_view literal, int line) {
  return Unescaper(literal, line).run();
}

}  // namespace caldera::text::jinja
