#include "text/jinja/format.hpp"

#include <algorithm>
#include <cmath>

#include "text/jinja/format_spec.hpp"
#include "text/jinja/operators.hpp"
#include "text/jinja/python_text.hpp"
#include "text/jinja/unicode.hpp"

namespace caldera::text::jinja {
namespace {

std::string truncated(std::string text, int64_t precision) {
  if (precision >= 0) text.resize(byte_offset(text, static_cast<size_t>(precision)));
  return text;
}

// "%" formats, left to right.
class PercentFormatter {
 public:
  PercentFormatter(Runtime& runtime, std::string_view format, const Value& argument)
      : out_(runtime), runtime_(runtime), format_(format), argument_(argument) {}

  Value run() {
    while (offset_ < format_.size()) {
      const size_t mark = std::min(format_.find('%', offset_), format_.size());
      out_.append(format_.substr(offset_, mark - offset_));
      offset_ = mark + 1;
      if (mark < format_.size()) conversion();
    }
    const bool mapping = argument_.is_dict();
    const size_t given = argument_.is_list(ListKind::kTuple) ? argument_.list().items.size() : 1;
    if (!mapping && used_ < given && !argument_.is_sequence()) fail_count("not all arguments were converted");
    if (argument_.is_list(ListKind::kTuple) && used_ < given) fail_count("not all arguments were converted");
    return out_.value();
  }

 private:
  [[noreturn]] void fail_count(const char* why) {
    runtime_.fail(std::string(why) + " during string formatting");
  }

  const Value& next() {
    if (argument_.is_list(ListKind::kTuple)) {
      if (used_ >= argument_.list().items.size()) fail_count("not enough arguments");
      return argument_.list().items[used_++];
    }
    if (used_++ > 0) fail_count("not enough arguments");
    return argument_;
  }

  int64_t number() {
    if (offset_ < format_.size() && format_[offset_] == '*') {
      ++offset_;
      const auto index = next().as_index();
      if (!index) runtime_.fail("* wants an integer");
      return *index;
    }
    return read_number(runtime_, format_, offset_);
  }

  void conversion() {
    FormatSpec spec;
    const Value* named = nullptr;
    if (offset_ < format_.size() && format_[offset_] == '(') {
      const size_t close = format_.find(')', offset_);
      if (close == std::string_view::npos) runtime_.fail("incomplete format key");
      const auto key = format_.substr(offset_ + 1, close - offset_ - 1);
      if (!argument_.is_dict()) runtime_.fail("format requires a mapping");
      named = argument_.dict().find(key);
      if (named == nullptr) runtime_.fail("the format's key '" + std::string(key) + "' is missing");
      offset_ = close + 1;
    }
    bool zero = false;
    for (; offset_ < format_.size(); ++offset_) {
      const char flag = format_[offset_];
      if (flag == '-') {
        spec.align = '<';
      } else if (flag == '+' || (flag == ' ' && spec.sign != '+')) {
        spec.sign = flag;
      } else if (flag == '0') {
        zero = true;
      } else if (flag == '#') {
        spec.alternate = true;
      } else if (flag != ' ') {
        break;
      }
    }
    spec.width = number();
    if (spec.width < 0) spec.width = 0;
    if (offset_ < format_.size() && format_[offset_] == '.') {
      ++offset_;
      spec.precision = std::max<int64_t>(number(), 0);
    }
    if (offset_ < format_.size() && std::string_view("hlL").find(format_[offset_]) != std::string_view::npos)
      ++offset_;
    if (offset_ >= format_.size()) runtime_.fail("incomplete format");
    spec.type = format_[offset_++];
    if (spec.type == '%') return out_.append('%');
    convert(named != nullptr ? *named : next(), spec, zero);
  }

  void convert(const Value& value, FormatSpec spec, bool zero) {
    // Unlike str.format, the % operator aligns everything to the right.
    if (spec.align == 0) spec.align = '>';
    if (spec.type == 's' || spec.type == 'r' || spec.type == 'a') {
      std::string text = spec.type == 's' ? to_text(runtime_, value) : repr(runtime_, value);
      return append_padded(out_, truncated(std::move(text), spec.precision), spec, false);
    }
    if (spec.type == 'c') {
      std::string text;
      if (value.is_string() && value.string().length == 1) {
        text = value.text();
      } else if (const auto index = value.as_index(); index && *index >= 0 && *index <= 0x10FFFF) {
        append_code_point(text, static_cast<char32_t>(*index));
      } else {
        runtime_.fail("%c requires an integer or one character");
      }
      return append_padded(out_, text, spec, false);
    }
    if (value.is_undefined()) fail_undefined(runtime_, value);
    const bool integral = std::string_view("diuxXo").find(spec.type) != std::string_view::npos;
    Value number = value;
    if (integral && value.is_float()) {
      if (std::string_view("diu").find(spec.type) == std::string_view::npos ||
          !(std::abs(value.real()) < 9.2e18)) {
        runtime_.fail(std::string("%") + spec.type + " needs an integer");
      }
      number = Value(static_cast<int64_t>(value.real()));
    }
    if (!integral && std::string_view("eEfFgG").find(spec.type) == std::string_view::npos) {
      runtime_.fail("unsupported format character in '%'");
    }
    if (zero && spec.align != '<') {
      spec.fill = '0';
      spec.align = '=';
    }
    std::string digits = format_number(runtime_, number, spec);
    append_padded(out_, digits, spec, true);
  }

  TextBuilder out_;
  Runtime& runtime_;
  std::string_view format_;
  const Value& argument_;
  size_t offset_ = 0;
  size_t used_ = 0;
};

FormatSpec parse_spec(Runtime& runtime, std::string_view text) {
  FormatSpec spec;
  const auto is_align = [](char c) { return c == '<' || c == '>' || c == '^' || c == '='; };
  size_t offset = 0;
  if (!text.empty()) {
    size_t after = 0;
    const char32_t first = next_code_point(text, after);
    if (after < text.size() && is_align(text[after])) {
      spec.fill = first;
      spec.align = text[after];
      offset = after + 1;
    } else if (is_align(text[0])) {
      spec.align = text[0];
      offset = 1;
    }
  }
  const auto skip = [&](char c) {
    if (offset >= text.size() || text[offset] != c) return false;
    ++offset;
    return true;
  };
  for (const char sign : {'+', '-', ' '}) {
    if (skip(sign)) {
      spec.sign = sign;
      break;
    }
  }
  spec.alternate = skip('#');
  if (skip('0') && spec.align == 0) {
    spec.fill = '0';
    spec.align = '=';
  }
  spec.width = std::max<int64_t>(read_number(runtime, text, offset), 0);
  spec.thousands = skip(',');
  if (skip('.')) {
    spec.precision = read_number(runtime, text, offset);
    if (spec.precision < 0) runtime.fail("format specifier lacks its precision");
  }
  if (offset < text.size()) spec.type = text[offset++];
  if (offset != text.size())
    runtime.fail("invalid format specifier '" + std::string(text.substr(0, 40)) + "'");
  return spec;
}

void append_field(TextBuilder& out, const Value& value, std::string_view spec_text) {
  if (spec_text.empty()) return append_str(out, value);
  Runtime& runtime = out.runtime();
  FormatSpec spec = parse_spec(runtime, spec_text);
  if (value.as_number()) return append_padded(out, format_number(runtime, value, spec), spec, true);
  if (!value.is_string() || (spec.type != 0 && spec.type != 's')) {
    runtime.fail("a format specifier does not fit a value of type '" + value.type_name() + "'");
  }
  if (spec.align == '=') spec.align = '<';
  append_padded(out, truncated(to_text(runtime, value), spec.precision), spec, false);
}

// Resolves the field name: a number, a name or nothing, then .attribute and [item] parts.
class FieldResolver {
 public:
  FieldResolver(Runtime& runtime, const Arguments& arguments) : runtime_(runtime), arguments_(arguments) {}

  Value resolve(std::string_view field) {
    const size_t end = std::min(field.find_first_of(".["), field.size());
    Value value = argument(field.substr(0, end));
    for (size_t offset = end; offset < field.size();) {
      if (field[offset] == '[') {
        const size_t close = field.find(']', offset);
        if (close == std::string_view::npos) runtime_.fail("missing ']' in a format string");
        const auto key = field.substr(offset + 1, close - offset - 1);
        size_t digits = 0;
        const int64_t index = read_number(runtime_, key, digits);
        const bool numeric = index >= 0 && digits == key.size();
        value = get_item(runtime_, value, numeric ? Value(index) : runtime_.make_string(std::string(key)));
        offset = close + 1;
      } else {
        const size_t next = std::min(field.find_first_of(".[", offset + 1), field.size());
        value = get_attribute(runtime_, value, field.substr(offset + 1, next - offset - 1));
        offset = next;
      }
    }
    return value;
  }

 private:
  Value argument(std::string_view name) {
    size_t digits = 0;
    const int64_t number = read_number(runtime_, name, digits);
    if (name.empty() || (number >= 0 && digits == name.size())) {
      const size_t index = name.empty() ? automatic_++ : static_cast<size_t>(number);
      if (index < arguments_.positional.size()) return arguments_.positional[index];
      runtime_.fail("a replacement field of a format has no argument");
    }
    for (const auto& [key, value] : arguments_.named) {
      if (key == name) return value;
    }
    runtime_.fail("the format's argument '" + std::string(name) + "' is missing");
  }

  Runtime& runtime_;
  const Arguments& arguments_;
  size_t automatic_ = 0;
};

}  // namespace

Value format_percent(Runtime& runtime, std::string_view format, const Value& argument) {
  return PercentFormatter(runtime, format, argument).run();
}

Value format_braces(Runtime& runtime, std::string_view format, const Arguments& arguments) {
  TextBuilder out(runtime);
  FieldResolver resolver(runtime, arguments);
  for (size_t offset = 0; offset < format.size();) {
    const size_t mark = std::min(format.find_first_of("{}", offset), format.size());
    out.append(format.substr(offset, mark - offset));
    if (mark == format.size()) break;
    if (mark + 1 < format.size() && format[mark + 1] == format[mark]) {
      out.append(format[mark]);
      offset = mark + 2;
      continue;
    }
    const size_t close = format.find('}', mark);
    if (format[mark] == '}' || close == std::string_view::npos)
      runtime.fail("single '{' or '}' in a format string");
    std::string_view field = format.substr(mark + 1, close - mark - 1);
    std::string_view spec;
    if (const size_t colon = field.find(':'); colon != std::string_view::npos) {
      spec = field.substr(colon + 1);
      field = field.substr(0, colon);
    }
    if (spec.find('{') != std::string_view::npos) runtime.fail("nested replacement fields are not supported");
    char conversion = 0;
    if (const size_t bang = field.find('!'); bang != std::string_view::npos) {
      if (bang + 2 != field.size() || (field[bang + 1] != 'r' && field[bang + 1] != 's')) {
        runtime.fail("unknown conversion in a format string");
      }
      conversion = field[bang + 1];
      field = field.substr(0, bang);
    }
    Value value = resolver.resolve(field);
    if (conversion == 'r') value = runtime.make_string(repr(runtime, value));
    if (conversion == 's') value = runtime.make_string(to_text(runtime, value));
    append_field(out, value, spec);
    offset = close + 1;
  }
  return out.value();
}

}  // namespace caldera::text::jinja
