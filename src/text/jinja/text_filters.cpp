// Filters whose input is text.
#include <algorithm>

#include "text/jinja/arguments.hpp"
#include "text/jinja/filters.hpp"
#include "text/jinja/format.hpp"
#include "text/jinja/html.hpp"
#include "text/jinja/methods.hpp"
#include "text/jinja/operators.hpp"
#include "text/jinja/python_text.hpp"
#include "text/jinja/unicode.hpp"

namespace caldera::text::jinja {
namespace {

Value trim(Runtime& runtime, const Value& input, const Arguments& arguments) {
  const Parameters given(runtime, "trim", arguments, {"chars"});
  const std::string text = to_text(runtime, input);
  if (!given.is_set(0)) return runtime.make_string(std::string(strip(text, nullptr, true, true)));
  const std::string_view chars = given.text(0);
  runtime.charge(text.size() * std::max<size_t>(chars.size(), 1));
  return runtime.make_string(std::string(strip(text, &chars, true, true)));
}

Value upper_filter(Runtime& runtime, const Value& input, const Arguments& arguments) {
  const Parameters none(runtime, "upper", arguments, {});
  return runtime.make_string(upper(to_text(runtime, input)));
}

Value lower_filter(Runtime& runtime, const Value& input, const Arguments& arguments) {
  const Parameters none(runtime, "lower", arguments, {});
  return runtime.make_string(lower(to_text(runtime, input)));
}

Value capitalize(Runtime& runtime, const Value& input, const Arguments& arguments) {
  const Parameters none(runtime, "capitalize", arguments, {});
  return runtime.make_string(capitalized(to_text(runtime, input)));
}

// Jinja2's own title: a word begins after white space or one of - ( { [ <.
Value title(Runtime& runtime, const Value& input, const Arguments& arguments) {
  const Parameters none(runtime, "title", arguments, {});
  const std::string text = to_text(runtime, input);
  std::string out;
  bool begins = true;
  for (size_t offset = 0; offset < text.size();) {
    const char32_t code = next_code_point(text, offset);
    append_code_point(out, begins ? to_upper(code) : to_lower(code));
    begins = is_space(code) || code == '-' || code == '(' || code == '{' || code == '[' || code == '<';
  }
  return runtime.make_string(std::move(out));
}

Value string(Runtime& runtime, const Value& input, const Arguments& arguments) {
  const Parameters none(runtime, "string", arguments, {});
  return input.is_string() ? input : runtime.make_string(to_text(runtime, input));
}

Value replace(Runtime& runtime, const Value& input, const Arguments& arguments) {
  const Parameters given(runtime, "replace", arguments, {"old", "new", "count"}, 2);
  const int64_t count = given.is_set(2) ? given.integer(2) : -1;
  return replace_text(runtime, to_text(runtime, input), to_text(runtime, given.at(0)),
                      to_text(runtime, given.at(1)), count);
}

Value center(Runtime& runtime, const Value& input, const Arguments& arguments) {
  const Parameters given(runtime, "center", arguments, {"width"});
  const Value text = runtime.make_string(to_text(runtime, input));
  return find_string_method("center")(runtime, text, {{Value(given.integer(0, 80))}, {}});
}

Value indent(Runtime& runtime, const Value& input, const Arguments& arguments) {
  const Parameters given(runtime, "indent", arguments, {"width", "first", "blank"});
  if (input.is_undefined()) fail_undefined(runtime, input);
  if (!input.is_string()) runtime.fail("indent needs a string, not " + input.type_name());
  TextBuilder margin(runtime);
  if (given.at(0).is_string()) {
    margin.append(given.text(0));
  } else {
    margin.repeat(" ", given.integer(0, 4));
  }
  const std::string text = input.text() + "\n";
  const auto lines = split_lines(text, false);
  TextBuilder out(runtime);
  for (size_t i = 0; i < lines.size(); ++i) {
    if (i > 0) out.append('\n');
    if (i == 0 ? given.flag(1) : given.flag(2) || !lines[i].empty()) out.append(margin.text());
    out.append(lines[i]);
  }
  return out.value();
}

Value truncate(Runtime& runtime, const Value& input, const Arguments& arguments) {
  const Parameters given(runtime, "truncate", arguments, {"length", "killwords", "end", "leeway"});
  if (!input.is_string()) runtime.fail("truncate needs a string, not " + input.type_name());
  const int64_t size = given.integer(0, 255);
  const std::string_view end = given.text(2, "...");
  const int64_t leeway = given.is_set(3) ? given.integer(3) : 5;
  const auto end_size = static_cast<int64_t>(code_point_count(end));
  if (size < end_size || leeway < 0) runtime.fail("truncate: the length or the leeway is too small");
  const int64_t excess = static_cast<int64_t>(input.string().length) - size;
  if (excess <= leeway) return input;
  std::string_view kept = input.text();
  kept = kept.substr(0, byte_offset(kept, static_cast<size_t>(size - end_size)));
  if (!given.flag(1)) kept = kept.substr(0, kept.rfind(' '));
  return runtime.make_string(std::string(kept) + std::string(end));
}

Value wordcount(Runtime& runtime, const Value& input, const Arguments& arguments) {
  const Parameters none(runtime, "wordcount", arguments, {});
  const std::string text = to_text(runtime, input);
  int64_t words = 0;
  bool inside = false;
  for (size_t offset = 0; offset < text.size();) {
    const char32_t code = next_code_point(text, offset);
    const bool word = is_alpha(code) || (code >= '0' && code <= '9') || code == '_';
    if (word && !inside) ++words;
    inside = word;
  }
  return Value(words);
}

Value format(Runtime& runtime, const Value& input, const Arguments& arguments) {
  if (!arguments.positional.empty() && !arguments.named.empty()) {
    runtime.fail("format cannot take positional and keyword arguments at once");
  }
  const std::string text = to_text(runtime, input);
  if (arguments.named.empty()) {
    return format_percent(runtime, text, runtime.make_list(arguments.positional, ListKind::kTuple));
  }
  Dict named;
  for (const auto& [name, value] : arguments.named) runtime.set(named, name, value);
  return format_percent(runtime, text, runtime.make_dict(std::move(named)));
}

Value escape(Runtime& runtime, const Value& input, const Arguments& arguments) {
  const Parameters none(runtime, "escape", arguments, {});
  if (input.is_string() && input.string().markup) return input;
  return runtime.make_string(escape_html(runtime, to_text(runtime, input)), true);
}

Value forceescape(Runtime& runtime, const Value& input, const Arguments& arguments) {
  const Parameters none(runtime, "forceescape", arguments, {});
  return runtime.make_string(escape_html(runtime, to_text(runtime, input)), true);
}

Value safe(Runtime& runtime, const Value& input, const Arguments& arguments) {
  const Parameters none(runtime, "safe", arguments, {});
  return runtime.make_string(to_text(runtime, input), true);
}

Value striptags(Runtime& runtime, const Value& input, const Arguments& arguments) {
  const Parameters none(runtime, "striptags", arguments, {});
  return runtime.make_string(strip_tags(runtime, to_text(runtime, input)));
}

Value urlencode(Runtime& runtime, const Value& input, const Arguments& arguments) {
  const Parameters none(runtime, "urlencode", arguments, {});
  const bool pairs = input.is_dict() || input.is_sequence() || input.is_generator();
  if (!pairs) return runtime.make_string(quote_url(runtime, to_text(runtime, input), false));
  TextBuilder out(runtime);
  const Value items = input.is_dict() ? dict_view(runtime, input.dict(), ListKind::kDictItems) : input;
  for (const Value& item : runtime.iterate(items)) {
    const auto pair = runtime.iterate(item);
    if (pair.size() != 2) runtime.fail("urlencode needs pairs");
    if (!out.text().empty()) out.append('&');
    out.append(quote_url(runtime, to_text(runtime, pair[0]), true));
    out.append('=');
    out.append(quote_url(runtime, to_text(runtime, pair[1]), true));
  }
  return out.value();
}

Value xmlattr(Runtime& runtime, const Value& input, const Arguments& arguments) {
  const Parameters given(runtime, "xmlattr", arguments, {"autospace"});
  if (!input.is_dict()) runtime.fail("xmlattr needs a mapping, not " + input.type_name());
  TextBuilder out(runtime);
  for (const auto& [key, value] : input.dict().items()) {
    if (value.is_none() || value.is_undefined()) continue;
    const std::string name = to_text(runtime, key);
    if (name.find_first_of(" \t\n\r\f\v/>=") != std::string::npos)
      runtime.fail("xmlattr: not an attribute's name");
    if (!out.text().empty() || given.flag(0, true)) out.append(' ');
    out.append(escape_html(runtime, name) + "=\"" + escape_html(runtime, to_text(runtime, value)) + "\"");
  }
  return out.value();
}

Value tojson(Runtime& runtime, const Value& input, const Arguments& arguments) {
  const Parameters given(runtime, "tojson", arguments, {"ensure_ascii", "indent", "separators", "sort_keys"});
  JsonStyle style;
  style.ensure_ascii = given.flag(0);
  style.sort_keys = given.flag(3);
  if (given.is_set(1)) {
    style.multi_line = true;
    style.item_separator = ",";
    if (given.at(1).is_string()) {
      style.indent = given.at(1).text();
    } else {
      TextBuilder blanks(runtime);
      blanks.repeat(" ", given.integer(1));
      style.indent = blanks.take();
    }
  }
  if (given.is_set(2)) {
    const auto separators = runtime.iterate(given.at(2));
    if (separators.size() != 2 || !separators[0].is_string() || !separators[1].is_string()) {
      runtime.fail("tojson: 'separators' must be two strings");
    }
    style.item_separator = separators[0].text();
    style.key_separator = separators[1].text();
  }
  TextBuilder out(runtime);
  append_json(out, input, style);
  return out.value();
}

}  // namespace

const FilterEntry* text_filters() {
  static constexpr FilterEntry kFilters[] = {
      {"capitalize", capitalize},
      {"center", center},
      {"e", escape},
      {"escape", escape},
      {"forceescape", forceescape},
      {"format", format},
      {"indent", indent},
      {"lower", lower_filter},
      {"replace", replace},
      {"safe", safe},
      {"string", string},
      {"striptags", striptags},
      {"title", title},
      {"tojson", tojson},
      {"trim", trim},
      {"truncate", truncate},
      {"upper", upper_filter},
      {"urlencode", urlencode},
      {"wordcount", wordcount},
      {"xmlattr", xmlattr},
      {"", nullptr},
  };
  return kFilters;
}

}  // namespace caldera::text::jinja
