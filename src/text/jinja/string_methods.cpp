// The methods of Python's str that cut, search and join; see methods.hpp.
#include <algorithm>

#include "text/jinja/arguments.hpp"
#include "text/jinja/methods.hpp"
#include "text/jinja/operators.hpp"
#include "text/jinja/text_search.hpp"
#include "text/jinja/unicode.hpp"

namespace caldera::text::jinja {
namespace {

constexpr size_t kNowhere = std::string_view::npos;

Value strip_ends(Runtime& runtime, const Value& self, const Arguments& arguments, bool left, bool right) {
  const Parameters given(runtime, "strip()", arguments, {"chars"});
  if (!given.is_set(0)) return runtime.make_string(std::string(strip(self.text(), nullptr, left, right)));
  const std::string_view chars = given.text(0);
  runtime.charge(self.text().size() * std::max<size_t>(chars.size(), 1));
  return runtime.make_string(std::string(strip(self.text(), &chars, left, right)));
}

Value strip_both(Runtime& r, const Value& self, const Arguments& a) {
  return strip_ends(r, self, a, true, true);
}
Value strip_left(Runtime& r, const Value& self, const Arguments& a) {
  return strip_ends(r, self, a, true, false);
}
Value strip_right(Runtime& r, const Value& self, const Arguments& a) {
  return strip_ends(r, self, a, false, true);
}

// Pieces between white space; at most `splits` cuts from the left or the right, the rest left whole.
std::vector<std::string_view> split_spaces(std::string_view text, int64_t splits, bool from_right) {
  std::vector<std::string_view> pieces;
  text = strip(text, nullptr, !from_right, from_right);
  while (!text.empty()) {
    if (splits == 0) {
      pieces.push_back(text);
      break;
    }
    --splits;
    // The nearest run of non-space on the side that is cut.
    size_t last = kNowhere;
    size_t last_end = 0;
    for (size_t offset = 0; offset < text.size();) {
      const size_t begin = offset;
      if (!is_space(next_code_point(text, offset))) continue;
      last = begin;
      last_end = offset;
      if (!from_right) break;
    }
    if (last == kNowhere) {
      pieces.push_back(text);
      break;
    }
    if (from_right) {
      pieces.push_back(text.substr(last_end));
      text = strip(text.substr(0, last), nullptr, false, true);
    } else {
      pieces.push_back(text.substr(0, last));
      text = strip(text.substr(last), nullptr, true, false);
    }
  }
  if (from_right) std::reverse(pieces.begin(), pieces.end());
  return pieces;
}

std::vector<std::string_view> split_separator(std::string_view text, std::string_view separator,
                                              int64_t splits, bool from_right) {
  std::vector<std::string_view> pieces;
  while (splits-- != 0) {
    const size_t found = from_right ? rfind_text(text, separator) : find_text(text, separator, 0);
    if (found == kNowhere) break;
    const std::string_view before = text.substr(0, found);
    const std::string_view after = text.substr(found + separator.size());
    pieces.push_back(from_right ? after : before);
    text = from_right ? before : after;
  }
  pieces.push_back(text);
  if (from_right) std::reverse(pieces.begin(), pieces.end());
  return pieces;
}

Value to_list(Runtime& runtime, const std::vector<std::string_view>& pieces) {
  std::vector<Value> items;
  items.reserve(pieces.size());
  for (const auto piece : pieces) {
    runtime.charge(96);
    items.push_back(runtime.make_string(std::string(piece)));
  }
  return runtime.make_list(std::move(items));
}

Value split_any(Runtime& runtime, const Value& self, const Arguments& arguments, bool from_right) {
  const Parameters given(runtime, "split()", arguments, {"sep", "maxsplit"});
  const int64_t splits = std::max<int64_t>(given.integer(1, -1), -1);
  const std::string_view text = self.text();
  if (!given.is_set(0)) {
    // Without a limit both directions agree. With one, each cut from the right looks at all that is left.
    from_right = from_right && splits >= 0;
    if (from_right)
      runtime.charge(text.size() * std::min<uint64_t>(static_cast<uint64_t>(splits), text.size()) / 4);
    return to_list(runtime, split_spaces(text, splits, from_right));
  }
  const std::string_view separator = given.text(0);
  if (separator.empty()) runtime.fail("split(): the separator is empty");
  if (from_right && separator.size() > 64) {
    runtime.charge(text.size() / separator.size() * text.size());
  }
  runtime.charge(text.size());
  return to_list(runtime, split_separator(text, separator, splits, from_right));
}

Value split(Runtime& r, const Value& self, const Arguments& a) {
  return split_any(r, self, a, false);
}
Value rsplit(Runtime& r, const Value& self, const Arguments& a) {
  return split_any(r, self, a, true);
}

Value partition_any(Runtime& runtime, const Value& self, const Arguments& arguments, bool from_right) {
  const Parameters given(runtime, "partition()", arguments, {"sep"}, 1);
  const std::string_view separator = given.text(0);
  if (separator.empty()) runtime.fail("partition(): the separator is empty");
  const auto pieces = split_separator(self.text(), separator, 1, from_right);
  const auto string = [&](std::string_view text) { return runtime.make_string(std::string(text)); };
  if (pieces.size() == 2) {
    return runtime.make_list({string(pieces[0]), given.at(0), string(pieces[1])}, ListKind::kTuple);
  }
  const Value empty = string("");
  if (from_right) return runtime.make_list({empty, empty, self}, ListKind::kTuple);
  return runtime.make_list({self, empty, empty}, ListKind::kTuple);
}

Value partition(Runtime& r, const Value& self, const Arguments& a) {
  return partition_any(r, self, a, false);
}
Value rpartition(Runtime& r, const Value& self, const Arguments& a) {
  return partition_any(r, self, a, true);
}

Value splitlines(Runtime& runtime, const Value& self, const Arguments& arguments) {
  const Parameters given(runtime, "splitlines()", arguments, {"keepends"});
  return to_list(runtime, split_lines(self.text(), given.flag(0)));
}

// The part of the text between the optional code point bounds of find, count, startswith and their like;
// nothing where Python would not look at all.
struct Window {
  std::string_view text;
  int64_t first = 0;  // code points before it
  bool valid = true;
};

Window window(Runtime& runtime, const Value& self, const Parameters& given) {
  const auto size = static_cast<int64_t>(self.string().length);
  const auto bound = [&](size_t i, int64_t otherwise) {
    const int64_t index = given.is_set(i) ? given.integer(i) : otherwise;
    return std::max<int64_t>(index < 0 ? index + size : index, 0);
  };
  const int64_t start = bound(1, 0);
  const int64_t stop = std::min(bound(2, size), size);
  if (start > stop) return {{}, 0, false};
  runtime.charge(self.text().size());
  if (start == 0 && stop == size) return {self.text(), 0, true};
  const std::string_view tail =
      std::string_view(self.text()).substr(byte_offset(self.text(), static_cast<size_t>(start)));
  return {tail.substr(0, byte_offset(tail, static_cast<size_t>(stop - start))), start, true};
}

int64_t find_index(Runtime& runtime, const Value& self, const Arguments& arguments, bool from_right) {
  const Parameters given(runtime, "find()", arguments, {"sub", "start", "end"}, 1);
  const std::string_view needle = given.text(0);
  const Window in = window(runtime, self, given);
  if (!in.valid) return -1;
  const size_t found = from_right ? rfind_text(in.text, needle) : find_text(in.text, needle, 0);
  if (found == kNowhere) return -1;
  return in.first + static_cast<int64_t>(code_point_count(in.text.substr(0, found)));
}

Value find(Runtime& r, const Value& self, const Arguments& a) {
  return Value(find_index(r, self, a, false));
}
Value rfind(Runtime& r, const Value& self, const Arguments& a) {
  return Value(find_index(r, self, a, true));
}

Value must_find(Runtime& runtime, int64_t index) {
  if (index < 0) runtime.fail("index(): the substring was not found");
  return Value(index);
}

Value index(Runtime& r, const Value& self, const Arguments& a) {
  return must_find(r, find_index(r, self, a, false));
}
Value rindex(Runtime& r, const Value& self, const Arguments& a) {
  return must_find(r, find_index(r, self, a, true));
}

Value count(Runtime& runtime, const Value& self, const Arguments& arguments) {
  const Parameters given(runtime, "count()", arguments, {"sub", "start", "end"}, 1);
  const std::string_view needle = given.text(0);
  const Window in = window(runtime, self, given);
  if (!in.valid) return Value(int64_t{0});
  if (needle.empty()) return Value(static_cast<int64_t>(code_point_count(in.text)) + 1);
  int64_t found = 0;
  for (size_t at = find_text(in.text, needle, 0); at != kNowhere;
       at = find_text(in.text, needle, at + needle.size())) {
    ++found;
  }
  return Value(found);
}

Value has_end(Runtime& runtime, const Value& self, const Arguments& arguments, bool start) {
  const char* name = start ? "startswith()" : "endswith()";
  const Parameters given(runtime, name, arguments, {"affix", "start", "end"}, 1);
  const Window in = window(runtime, self, given);
  const auto matches = [&](const Value& affix) {
    if (!affix.is_string()) runtime.fail(std::string(name) + " needs a string or a tuple of strings");
    return in.valid && (start ? in.text.starts_with(affix.text()) : in.text.ends_with(affix.text()));
  };
  if (!given.at(0).is_list(ListKind::kTuple)) return Value(matches(given.at(0)));
  const auto& affixes = given.at(0).list().items;
  return Value(std::any_of(affixes.begin(), affixes.end(), matches));
}

Value startswith(Runtime& r, const Value& self, const Arguments& a) {
  return has_end(r, self, a, true);
}
Value endswith(Runtime& r, const Value& self, const Arguments& a) {
  return has_end(r, self, a, false);
}

Value removeprefix(Runtime& runtime, const Value& self, const Arguments& arguments) {
  const Parameters given(runtime, "removeprefix()", arguments, {"prefix"}, 1);
  if (!self.text().starts_with(given.text(0))) return self;
  return runtime.make_string(self.text().substr(given.text(0).size()));
}

Value removesuffix(Runtime& runtime, const Value& self, const Arguments& arguments) {
  const Parameters given(runtime, "removesuffix()", arguments, {"suffix"}, 1);
  if (!self.text().ends_with(given.text(0))) return self;
  return runtime.make_string(self.text().substr(0, self.text().size() - given.text(0).size()));
}

Value replace(Runtime& runtime, const Value& self, const Arguments& arguments) {
  const Parameters given(runtime, "replace()", arguments, {"old", "new", "count"}, 2);
  return replace_text(runtime, self.text(), given.text(0), given.text(1), given.integer(2, -1));
}

Value join(Runtime& runtime, const Value& self, const Arguments& arguments) {
  const Parameters given(runtime, "join()", arguments, {"iterable"}, 1);
  TextBuilder out(runtime);
  bool first = true;
  for (const Value& item : runtime.iterate(given.at(0))) {
    if (!item.is_string()) runtime.fail("join() needs strings, not " + item.type_name());
    if (!first) out.append(self.text());
    first = false;
    out.append(item.text());
  }
  return out.value();
}

}  // namespace

const MethodEntry* string_part_methods() {
  static constexpr MethodEntry kMethods[] = {
      {"count", count},
      {"endswith", endswith},
      {"find", find},
      {"index", index},
      {"join", join},
      {"lstrip", strip_left},
      {"partition", partition},
      {"removeprefix", removeprefix},
      {"removesuffix", removesuffix},
      {"replace", replace},
      {"rfind", rfind},
      {"rindex", rindex},
      {"rpartition", rpartition},
      {"rsplit", rsplit},
      {"rstrip", strip_right},
      {"split", split},
      {"splitlines", splitlines},
      {"startswith", startswith},
      {"strip", strip_both},
      {"", nullptr},
  };
  return kMethods;
}

Value replace_text(Runtime& runtime, std::string_view text, std::string_view from, std::string_view to,
                   int64_t count) {
  TextBuilder out(runtime);
  runtime.charge(text.size());
  size_t offset = 0;
  // Counting down from -1 never ends.
  for (count = std::max<int64_t>(count, -1); count != 0; --count) {
    if (from.empty()) {
      // An empty text is found before every code point and at the end.
      out.append(to);
      if (offset >= text.size()) return out.value();
      const size_t begin = offset;
      next_code_point(text, offset);
      out.append(text.substr(begin, offset - begin));
      continue;
    }
    const size_t found = find_text(text, from, offset);
    if (found == kNowhere) break;
    out.append(text.substr(offset, found - offset));
    out.append(to);
    offset = found + from.size();
  }
  out.append(text.substr(offset));
  return out.value();
}

std::vector<std::string_view> split_lines(std::string_view text, bool keep_ends) {
  std::vector<std::string_view> lines;
  size_t begin = 0;
  for (size_t offset = 0; offset < text.size();) {
    const size_t end = offset;
    const char32_t code = next_code_point(text, offset);
    const bool breaks = (code >= 0x0A && code <= 0x0D) || (code >= 0x1C && code <= 0x1E) || code == 0x85 ||
                        code == 0x2028 || code == 0x2029;
    if (!breaks) continue;
    if (code == '\r' && offset < text.size() && text[offset] == '\n') ++offset;
    lines.push_back(text.substr(begin, (keep_ends ? offset : end) - begin));
    begin = offset;
  }
  if (begin < text.size()) lines.push_back(text.substr(begin));
  return lines;
}

}  // namespace caldera::text::jinja
