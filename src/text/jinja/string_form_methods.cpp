// The methods of Python's str that change case, ask what a text consists of, pad and format; see methods.hpp.
#include "text/jinja/arguments.hpp"
#include "text/jinja/format.hpp"
#include "text/jinja/format_spec.hpp"
#include "text/jinja/methods.hpp"
#include "text/jinja/unicode.hpp"

namespace caldera::text::jinja {
namespace {

Value to_upper_text(Runtime& runtime, const Value& self, const Arguments& arguments) {
  const Parameters none(runtime, "upper()", arguments, {});
  return runtime.make_string(upper(self.text()));
}

Value to_lower_text(Runtime& runtime, const Value& self, const Arguments& arguments) {
  const Parameters none(runtime, "lower()", arguments, {});
  return runtime.make_string(lower(self.text()));
}

Value capitalize(Runtime& runtime, const Value& self, const Arguments& arguments) {
  const Parameters none(runtime, "capitalize()", arguments, {});
  return runtime.make_string(capitalized(self.text()));
}

bool is_cased(char32_t code) {
  return to_upper(code) != code || to_lower(code) != code;
}

Value title(Runtime& runtime, const Value& self, const Arguments& arguments) {
  const Parameters none(runtime, "title()", arguments, {});
  std::string out;
  bool inside = false;
  for (size_t offset = 0; offset < self.text().size();) {
    const char32_t code = next_code_point(self.text(), offset);
    append_code_point(out, inside ? to_lower(code) : to_upper(code));
    inside = is_cased(code);
  }
  return runtime.make_string(std::move(out));
}

Value swapcase(Runtime& runtime, const Value& self, const Arguments& arguments) {
  const Parameters none(runtime, "swapcase()", arguments, {});
  std::string out;
  for (size_t offset = 0; offset < self.text().size();) {
    const char32_t code = next_code_point(self.text(), offset);
    append_code_point(out, to_upper(code) != code ? to_upper(code) : to_lower(code));
  }
  return runtime.make_string(std::move(out));
}

bool is_digit(char32_t code) {
  return code >= '0' && code <= '9';
}

// All of the text, which must not be empty, has the property.
template <typename Property>
Value all_of(const Value& self, Property holds) {
  for (size_t offset = 0; offset < self.text().size();) {
    if (!holds(next_code_point(self.text(), offset))) return Value(false);
  }
  return Value(!self.text().empty());
}

Value isdigit(Runtime&, const Value& self, const Arguments&) {
  return all_of(self, is_digit);
}
Value isalpha(Runtime&, const Value& self, const Arguments&) {
  return all_of(self, is_alpha);
}
Value isspace(Runtime&, const Value& self, const Arguments&) {
  return all_of(self, is_space);
}
Value isalnum(Runtime&, const Value& self, const Arguments&) {
  return all_of(self, [](char32_t code) { return is_alpha(code) || is_digit(code); });
}
Value isascii(Runtime&, const Value& self, const Arguments&) {
  return Value(self.text().empty() || all_of(self, [](char32_t code) { return code < 0x80; }).boolean());
}

// At least one letter with case, and none that `convert` would change.
Value all_cased(const Value& self, char32_t (*convert)(char32_t)) {
  bool cased = false;
  for (size_t offset = 0; offset < self.text().size();) {
    const char32_t code = next_code_point(self.text(), offset);
    if (convert(code) != code) return Value(false);
    cased = cased || is_cased(code);
  }
  return Value(cased);
}

Value isupper(Runtime&, const Value& self, const Arguments&) {
  return all_cased(self, to_upper);
}
Value islower(Runtime&, const Value& self, const Arguments&) {
  return all_cased(self, to_lower);
}

Value pad(Runtime& runtime, const Value& self, const Arguments& arguments, char align) {
  const Parameters given(runtime, "padding", arguments, {"width", "fillchar"}, 1);
  FormatSpec spec;
  spec.align = align;
  spec.width = given.integer(0);
  const std::string_view fill = given.text(1, " ");
  if (code_point_count(fill) != 1) runtime.fail("the fill character must be one character");
  size_t offset = 0;
  spec.fill = next_code_point(fill, offset);
  TextBuilder out(runtime);
  append_padded(out, self.text(), spec, false);
  return out.value();
}

Value ljust(Runtime& r, const Value& self, const Arguments& a) {
  return pad(r, self, a, '<');
}
Value rjust(Runtime& r, const Value& self, const Arguments& a) {
  return pad(r, self, a, '>');
}

Value center(Runtime& runtime, const Value& self, const Arguments& arguments) {
  const Parameters given(runtime, "center()", arguments, {"width", "fillchar"}, 1);
  const std::string_view fill = given.text(1, " ");
  if (code_point_count(fill) != 1) runtime.fail("the fill character must be one character");
  const int64_t width = given.integer(0);
  const auto size = static_cast<int64_t>(self.string().length);
  const int64_t room = width > size ? width - size : 0;
  // Python puts the odd blank on the left where the width is odd too.
  const int64_t left = room / 2 + (room & width & 1);
  TextBuilder out(runtime);
  out.repeat(fill, left);
  out.append(self.text());
  out.repeat(fill, room - left);
  return out.value();
}

Value zfill(Runtime& runtime, const Value& self, const Arguments& arguments) {
  const Parameters given(runtime, "zfill()", arguments, {"width"}, 1);
  FormatSpec spec;
  spec.align = self.text().starts_with(' ') ? '>' : '=';
  spec.fill = '0';
  spec.width = given.integer(0);
  TextBuilder out(runtime);
  append_padded(out, self.text(), spec, false);
  return out.value();
}

Value expandtabs(Runtime& runtime, const Value& self, const Arguments& arguments) {
  const Parameters given(runtime, "expandtabs()", arguments, {"tabsize"});
  const int64_t size = given.integer(0, 8);
  TextBuilder out(runtime);
  int64_t column = 0;
  for (size_t offset = 0; offset < self.text().size();) {
    const size_t begin = offset;
    const char32_t code = next_code_point(self.text(), offset);
    if (code == '\t') {
      const int64_t blanks = size > 0 ? size - column % size : 0;
      out.repeat(" ", blanks);
      column += blanks;
    } else {
      out.append(std::string_view(self.text()).substr(begin, offset - begin));
      column = code == '\n' || code == '\r' ? 0 : column + 1;
    }
  }
  return out.value();
}

Value format(Runtime& runtime, const Value& self, const Arguments& arguments) {
  return format_braces(runtime, self.text(), arguments);
}

}  // namespace

const MethodEntry* string_form_methods() {
  static constexpr MethodEntry kMethods[] = {
      {"capitalize", capitalize}, {"casefold", to_lower_text},
      {"center", center},         {"expandtabs", expandtabs},
      {"format", format},         {"isalnum", isalnum},
      {"isalpha", isalpha},       {"isascii", isascii},
      {"isdecimal", isdigit},     {"isdigit", isdigit},
      {"islower", islower},       {"isnumeric", isdigit},
      {"isspace", isspace},       {"isupper", isupper},
      {"ljust", ljust},           {"lower", to_lower_text},
      {"rjust", rjust},           {"swapcase", swapcase},
      {"title", title},           {"upper", to_upper_text},
      {"zfill", zfill},           {"", nullptr},
  };
  return kMethods;
}

std::string capitalized(std::string_view text) {
  if (text.empty()) return {};
  size_t offset = 0;
  std::string out;
  append_code_point(out, to_upper(next_code_point(text, offset)));
  return out + lower(text.substr(offset));
}

}  // namespace caldera::text::jinja
