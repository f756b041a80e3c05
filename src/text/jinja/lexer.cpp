#include "text/jinja/lexer.hpp"

#include <algorithm>
#include <array>
#include <charconv>

#include "text/jinja/string_literal.hpp"
#include "text/jinja/template_error.hpp"
#include "text/jinja/unicode.hpp"

namespace caldera::text::jinja {
namespace {

// Line ends as "\n", and the last one removed.
std::string normalized(std::string_view source) {
  std::string out;
  out.reserve(source.size());
  for (size_t i = 0; i < source.size(); ++i) {
    if (source[i] != '\r') {
      out.push_back(source[i]);
    } else if (i + 1 >= source.size() || source[i + 1] != '\n') {
      out.push_back('\n');
    }
  }
  if (!out.empty() && out.back() == '\n') out.pop_back();
  return out;
}

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}
bool is_name_start(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
         static_cast<unsigned char>(c) >= 0x80;
}

// Longest first, so that "//" is not two divisions.
constexpr std::array<std::string_view, 25> kOperators = {"//", "**", "==", "!=", ">=", "<=", "+", "-", "/",
                                                         "*",  "%",  "~",  "[",  "]",  "(",  ")", "{", "}",
                                                         ">",  "<",  "=",  ".",  ":",  "|",  ","};

class Lexer {
 public:
  explicit Lexer(std::string_view source) : source_(source) {}

  std::vector<Token> run() {
    while (offset_ < source_.size()) {
      const size_t tag = next_tag();
      if (tag == std::string_view::npos) {
        add_text(source_.substr(offset_));
        break;
      }
      open_tag(tag);
    }
    add(TokenKind::kEnd, "");
    return std::move(tokens_);
  }

 private:
  void add(TokenKind kind, std::string text) {
    Token token;
    token.kind = kind;
    token.line = line_;
    token.text = std::move(text);
    tokens_.push_back(std::move(token));
  }

  void add_text(std::string_view text) {
    if (!text.empty()) add(TokenKind::kText, std::string(text));
  }

  bool at(std::string_view text, size_t offset) const { return source_.substr(offset).starts_with(text); }

  void advance(size_t to) {
    line_ += static_cast<int>(std::count(source_.begin() + static_cast<std::ptrdiff_t>(offset_),
                                         source_.begin() + static_cast<std::ptrdiff_t>(to), '\n'));
    line_started_ = to > 0 && source_[to - 1] == '\n';
    offset_ = to;
  }

  size_t skip_space(size_t offset) const {
    while (offset < source_.size()) {
      size_t next = offset;
      if (!is_space(next_code_point(source_, next))) break;
      offset = next;
    }
    return offset;
  }

  size_t next_tag() const {
    for (size_t at_brace = source_.find('{', offset_); at_brace != std::string_view::npos;
         at_brace = source_.find('{', at_brace + 1)) {
      if (at_brace + 1 < source_.size() &&
          std::string_view("%#{").find(source_[at_brace + 1]) != std::string_view::npos) {
        return at_brace;
      }
    }
    return std::string_view::npos;
  }

  // The text before a tag, less what its "-" or lstrip_blocks removes. `sign` is the character after the tag.
  std::string_view before_tag(std::string_view text, char sign, bool block) const {
    if (sign == '-') return strip(text, nullptr, false, true);
    if (sign == '+' || !block) return text;
    const size_t line_begin = text.rfind('\n') + 1;  // npos + 1 is 0
    if (line_begin == 0 && !line_started_) return text;
    const bool blank = strip(text.substr(line_begin), nullptr, true, false).empty();
    return blank ? text.substr(0, line_begin) : text;
  }

  void open_tag(size_t tag) {
    const std::string_view text = source_.substr(offset_, tag - offset_);
    const char kind = source_[tag + 1];
    const char sign = tag + 2 < source_.size() ? source_[tag + 2] : 0;
    const bool has_sign = sign == '-' || sign == '+';
    const std::string_view kept = before_tag(text, sign, kind != '{');
    add_text(kept);
    advance(tag);
    const size_t inside = tag + (has_sign ? 3 : 2);
    if (kind == '#') return comment(inside);
    if (kind == '%') {
      if (const size_t body = raw_begin(inside); body != 0) return raw(body);
    }
    advance(inside);
    add(kind == '%' ? TokenKind::kBlockBegin : TokenKind::kVariableBegin, "");
    expression(kind == '%');
  }

  void comment(size_t begin) {
    const size_t end = source_.find("#}", begin);
    if (end == std::string_view::npos) fail_syntax(line_, "missing end of comment tag");
    const char sign = end > begin ? source_[end - 1] : 0;
    advance(after_end(end + 2, sign, true));
  }

  // Where the text goes on after a closing tag that ends at `end`.
  size_t after_end(size_t end, char sign, bool trim) const {
    if (sign == '-') return skip_space(end);
    if (sign != '+' && trim && end < source_.size() && source_[end] == '\n') return end + 1;
    return end;
  }

  // Offset after "raw %}", or 0 if the tag is another.
  size_t raw_begin(size_t offset) const {
    offset = skip_space(offset);
    if (!at("raw", offset)) return 0;
    offset = skip_space(offset + 3);
    if (at("-%}", offset)) return skip_space(offset + 3);
    return at("%}", offset) ? offset + 2 : 0;
  }

  void raw(size_t begin) {
    advance(begin);
    for (size_t tag = source_.find("{%", begin); tag != std::string_view::npos;
         tag = source_.find("{%", tag + 1)) {
      const char sign = tag + 2 < source_.size() ? source_[tag + 2] : 0;
      size_t offset = skip_space(tag + (sign == '-' || sign == '+' ? 3 : 2));
      if (!at("endraw", offset)) continue;
      offset = skip_space(offset + 6);
      const char end_sign =
          offset < source_.size() && (source_[offset] == '-' || source_[offset] == '+') ? source_[offset] : 0;
      if (end_sign != 0) ++offset;
      if (!at("%}", offset)) continue;
      add_text(before_tag(source_.substr(begin, tag - begin), sign, true));
      return advance(after_end(offset + 2, end_sign, true));
    }
    fail_syntax(line_, "missing end of raw directive");
  }

  void expression(bool block) {
    const std::string_view end = block ? "%}" : "}}";
    while (true) {
      advance(skip_space(offset_));
      if (offset_ >= source_.size()) return;  // the parser reports what is missing
      if (braces_.empty()) {
        const char sign = source_[offset_];
        const bool signed_end = (sign == '-' || (block && sign == '+')) && at(end, offset_ + 1);
        if (signed_end || at(end, offset_)) {
          add(block ? TokenKind::kBlockEnd : TokenKind::kVariableEnd, "");
          return advance(after_end(offset_ + (signed_end ? 3 : 2), signed_end ? sign : 0, block));
        }
      }
      token();
    }
  }

  void token() {
    const char c = source_[offset_];
    if (is_digit(c)) return number();
    if (is_name_start(c)) {
      size_t end = offset_;
      while (end < source_.size() && (is_name_start(source_[end]) || is_digit(source_[end]))) ++end;
      add(TokenKind::kName, std::string(source_.substr(offset_, end - offset_)));
      return advance(end);
    }
    if (c == '"' || c == '\'') return string(c);
    for (const std::string_view op : kOperators) {
      if (!at(op, offset_)) continue;
      balance(c);
      add(TokenKind::kOperator, std::string(op));
      return advance(offset_ + op.size());
    }
    fail_syntax(line_, std::string("unexpected character '") + c + "'");
  }

  void balance(char c) {
    if (c == '(' || c == '[' || c == '{') braces_.push_back(c == '(' ? ')' : c == '[' ? ']' : '}');
    if (c != ')' && c != ']' && c != '}') return;
    if (braces_.empty() || braces_.back() != c) fail_syntax(line_, std::string("unexpected '") + c + "'");
    braces_.pop_back();
  }

  void string(char quote) {
    size_t end = offset_ + 1;
    while (end < source_.size() && source_[end] != quote) end += source_[end] == '\\' ? 2 : 1;
    if (end >= source_.size()) fail_syntax(line_, "a string is not closed");
    add(TokenKind::kString, unescape(source_.substr(offset_ + 1, end - offset_ - 1), line_));
    advance(end + 1);
  }

  // Digits, with single underscores between them.
  size_t digits(size_t offset) const {
    while (offset < source_.size() &&
           (is_digit(source_[offset]) ||
            (source_[offset] == '_' && offset + 1 < source_.size() && is_digit(source_[offset + 1])))) {
      ++offset;
    }
    return offset;
  }

  bool digit_at(size_t offset) const { return offset < source_.size() && is_digit(source_[offset]); }

  void number() {
    if (source_[offset_] == '0' && offset_ + 1 < source_.size()) {
      const char radix = static_cast<char>(source_[offset_ + 1] | 0x20);
      const int base = radix == 'x' ? 16 : radix == 'o' ? 8 : radix == 'b' ? 2 : 0;
      if (base != 0) return based_integer(base);
    }
    size_t end = digits(offset_);
    bool real = false;
    // After a dot ("x.0.1") digits are an index, never a fraction.
    if (offset_ == 0 || source_[offset_ - 1] != '.') {
      if (end < source_.size() && source_[end] == '.' && digit_at(end + 1)) {
        end = digits(end + 1);
        real = true;
      }
      if (end < source_.size() && (source_[end] | 0x20) == 'e') {
        const size_t sign =
            end + 1 < source_.size() && (source_[end + 1] == '+' || source_[end + 1] == '-') ? 2 : 1;
        if (digit_at(end + sign)) {
          end = digits(end + sign);
          real = true;
        }
      }
    }
    // Only zeros may follow a leading zero, as in Python.
    if (!real && source_[offset_] == '0') {
      end = offset_ + 1;
      while (end < source_.size() && source_[end] == '0') ++end;
    }
    std::string text(source_.substr(offset_, end - offset_));
    std::erase(text, '_');
    add(real ? TokenKind::kFloat : TokenKind::kInteger, text);
    Token& made = tokens_.back();
    const char* last = text.data() + text.size();
    if (real) {
      if (std::from_chars(text.data(), last, made.real).ec != std::errc())
        fail_syntax(line_, "a number is out of range");
    } else if (std::from_chars(text.data(), last, made.integer).ec != std::errc()) {
      fail_syntax(line_, "an integer does not fit 64 bits");
    }
    advance(end);
  }

  void based_integer(int base) {
    const size_t begin = offset_ + 2;
    size_t end = begin;
    while (end < source_.size() && (is_name_start(source_[end]) || is_digit(source_[end]))) ++end;
    std::string text(source_.substr(begin, end - begin));
    std::erase(text, '_');
    add(TokenKind::kInteger, text);
    const auto read = std::from_chars(text.data(), text.data() + text.size(), tokens_.back().integer, base);
    if (read.ec != std::errc() || read.ptr != text.data() + text.size())
      fail_syntax(line_, "not an integer: " + text);
    advance(end);
  }

  std::string_view source_;
  size_t offset_ = 0;
  int line_ = 1;
  bool line_started_ = true;  // only a line end, or nothing, lies before offset_
  std::string braces_;        // those that have to close, innermost last
  std::vector<Token> tokens_;
};

}  // namespace

std::vector<Token> tokenize(std::string_view source) {
  const std::string text = normalized(source);
  return Lexer(text).run();
}

}  // namespace caldera::text::jinja
