#include "text/jinja/python_text.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdio>

#include "text/jinja/operators.hpp"
#include "text/jinja/unicode.hpp"

namespace caldera::text::jinja {
namespace {

std::string hex(const char* format, char32_t code) {
  char buffer[16];
  std::snprintf(buffer, sizeof buffer, format, static_cast<unsigned>(code));
  return buffer;
}

void append_quoted(TextBuilder& out, std::string_view text) {
  const bool single = text.find('\'') == std::string_view::npos || text.find('"') != std::string_view::npos;
  const char quote = single ? '\'' : '"';
  std::string quoted(1, quote);
  for (size_t offset = 0; offset < text.size();) {
    const char32_t code = next_code_point(text, offset);
    if (code == static_cast<char32_t>(quote) || code == '\\') {
      quoted += {'\\', static_cast<char>(code)};
    } else if (code == '\n') {
      quoted += "\\n";
    } else if (code == '\r') {
      quoted += "\\r";
    } else if (code == '\t') {
      quoted += "\\t";
    } else if (is_printable(code)) {
      append_code_point(quoted, code);
    } else {
      quoted += hex(code < 0x100 ? "\\x%02x" : code < 0x10000 ? "\\u%04x" : "\\U%08x", code);
    }
  }
  quoted += quote;
  out.append(quoted);
}

void append_items(TextBuilder& out, const std::vector<Value>& items) {
  bool first = true;
  for (const Value& item : items) {
    if (!first) out.append(", ");
    first = false;
    append_repr(out, item);
  }
}

void append_list(TextBuilder& out, const List& list) {
  switch (list.kind) {
    case ListKind::kTuple:
    case ListKind::kGroup:
      out.append('(');
      append_items(out, list.items);
      out.append(list.items.size() == 1 ? ",)" : ")");
      return;
    case ListKind::kRange:
      out.append("range(" + std::to_string(list.range_start) + ", " + std::to_string(list.range_stop));
      if (list.range_step != 1) out.append(", " + std::to_string(list.range_step));
      out.append(')');
      return;
    case ListKind::kList:
      out.append('[');
      append_items(out, list.items);
      out.append(']');
      return;
    case ListKind::kDictKeys:
    case ListKind::kDictValues:
    case ListKind::kDictItems:
      out.append(list.kind == ListKind::kDictKeys     ? "dict_keys(["
                 : list.kind == ListKind::kDictValues ? "dict_values(["
                                                      : "dict_items([");
      append_items(out, list.items);
      out.append("])");
      return;
  }
}

void append_dict(TextBuilder& out, const Dict& dict) {
  out.append('{');
  bool first = true;
  for (const auto& [key, value] : dict.items()) {
    if (!first) out.append(", ");
    first = false;
    append_repr(out, key);
    out.append(": ");
    append_repr(out, value);
  }
  out.append('}');
}

void append_json_string(TextBuilder& out, std::string_view text, bool ensure_ascii) {
  std::string quoted = "\"";
  for (size_t offset = 0; offset < text.size();) {
    const char32_t code = next_code_point(text, offset);
    switch (code) {
      case '"':
        quoted += "\\\"";
        break;
      case '\\':
        quoted += "\\\\";
        break;
      case '\n':
        quoted += "\\n";
        break;
      case '\r':
        quoted += "\\r";
        break;
      case '\t':
        quoted += "\\t";
        break;
      case '\f':
        quoted += "\\f";
        break;
      case '\b':
        quoted += "\\b";
        break;
      default:
        if (code < 0x20 || (ensure_ascii && code > 0x7E && code < 0x10000)) {
          quoted += hex("\\u%04x", code);
        } else if (ensure_ascii && code >= 0x10000) {
          quoted +=
              hex("\\u%04x", 0xD800 + ((code - 0x10000) >> 10)) + hex("\\u%04x", 0xDC00 + (code & 0x3FF));
        } else {
          append_code_point(quoted, code);
        }
    }
  }
  out.append(quoted + "\"");
}

std::string json_number(double value) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value > 0 ? "Infinity" : "-Infinity";
  return float_repr(value);
}

std::string json_key(Runtime& runtime, const Value& key) {
  if (key.is_string()) return key.text();
  if (key.is_none()) return "null";
  if (key.is_bool()) return key.boolean() ? "true" : "false";
  if (key.is_int()) return std::to_string(key.integer());
  if (key.is_float()) return json_number(key.real());
  runtime.fail("JSON keys must be str, int, float, bool or None, not " + key.type_name());
}

void new_line(TextBuilder& out, const JsonStyle& style, int level) {
  if (!style.multi_line) return;
  out.append('\n');
  out.repeat(style.indent, level);
}

}  // namespace

std::string float_repr(double value) {
  if (std::isnan(value)) return "nan";
  if (std::isinf(value)) return value > 0 ? "inf" : "-inf";
  char buffer[40];
  // Scientific form gives the digits and the exponent, from which Python's choice of form follows.
  const auto end = std::to_chars(buffer, buffer + sizeof buffer, value, std::chars_format::scientific).ptr;
  std::string_view text(buffer, static_cast<size_t>(end - buffer));
  std::string out;
  if (text.front() == '-') {
    out = "-";
    text.remove_prefix(1);
  }
  const size_t mark = text.find('e');
  std::string digits(text.substr(0, mark));
  if (digits.size() > 1) digits.erase(1, 1);
  int exponent = 0;
  const size_t sign = text[mark + 1] == '+' ? 2 : 1;
  std::from_chars(text.data() + mark + sign, text.data() + text.size(), exponent);
  if (exponent < -4 || exponent >= 16) {
    out += digits[0];
    if (digits.size() > 1) out += "." + digits.substr(1);
    std::snprintf(buffer, sizeof buffer, "e%c%02d", exponent < 0 ? '-' : '+', std::abs(exponent));
    return out + buffer;
  }
  if (exponent < 0) return out + "0." + std::string(static_cast<size_t>(-exponent - 1), '0') + digits;
  const auto whole = static_cast<size_t>(exponent) + 1;
  if (digits.size() <= whole) return out + digits + std::string(whole - digits.size(), '0') + ".0";
  return out + digits.substr(0, whole) + "." + digits.substr(whole);
}

void append_repr(TextBuilder& out, const Value& value) {
  if (value.is_string()) {
    append_quoted(out, value.text());
  } else if (value.is_undefined()) {
    out.append("Undefined");
  } else if (value.is_none()) {
    out.append("None");
  } else if (value.is_bool()) {
    out.append(value.boolean() ? "True" : "False");
  } else if (value.is_int()) {
    out.append(std::to_string(value.integer()));
  } else if (value.is_float()) {
    out.append(float_repr(value.real()));
  } else if (value.is_sequence()) {
    append_list(out, value.list());
  } else if (value.is_dict()) {
    append_dict(out, value.dict());
  } else {
    out.append("<" + value.type_name() + " object>");
  }
}

void append_str(TextBuilder& out, const Value& value) {
  if (value.is_string()) {
    out.append(value.text());
  } else if (!value.is_undefined()) {
    append_repr(out, value);
  }
}

std::string to_text(Runtime& runtime, const Value& value) {
  TextBuilder out(runtime);
  append_str(out, value);
  return out.take();
}

std::string repr(Runtime& runtime, const Value& value) {
  TextBuilder out(runtime);
  append_repr(out, value);
  return out.take();
}

void append_json(TextBuilder& out, const Value& value, const JsonStyle& style, int level) {
  Runtime& runtime = out.runtime();
  if (value.is_string()) {
    append_json_string(out, value.text(), style.ensure_ascii);
  } else if (value.is_none()) {
    out.append("null");
  } else if (value.is_bool()) {
    out.append(value.boolean() ? "true" : "false");
  } else if (value.is_int()) {
    out.append(std::to_string(value.integer()));
  } else if (value.is_float()) {
    out.append(json_number(value.real()));
  } else if (value.is_list(ListKind::kList) || value.is_list(ListKind::kTuple)) {
    const auto& items = value.list().items;
    if (items.empty()) return out.append("[]");
    out.append('[');
    for (size_t i = 0; i < items.size(); ++i) {
      if (i > 0) out.append(style.item_separator);
      new_line(out, style, level + 1);
      append_json(out, items[i], style, level + 1);
    }
    new_line(out, style, level);
    out.append(']');
  } else if (value.is_dict()) {
    auto items = value.dict().items();
    runtime.charge(items.size() * 32);
    if (items.empty()) return out.append("{}");
    if (style.sort_keys) {
      std::stable_sort(items.begin(), items.end(),
                       [&](const auto& a, const auto& b) { return less(runtime, a.first, b.first); });
    }
    out.append('{');
    for (size_t i = 0; i < items.size(); ++i) {
      if (i > 0) out.append(style.item_separator);
      new_line(out, style, level + 1);
      append_json_string(out, json_key(runtime, items[i].first), style.ensure_ascii);
      out.append(style.key_separator);
      append_json(out, items[i].second, style, level + 1);
    }
    new_line(out, style, level);
    out.append('}');
  } else {
    runtime.fail("Object of type " + value.type_name() + " is not JSON serializable");
  }
}

Value from_json(Runtime& runtime, const nlohmann::ordered_json& json) {
  const Runtime::Nesting nesting(runtime);
  switch (json.type()) {
    case nlohmann::ordered_json::value_t::boolean:
      return Value(json.get<bool>());
    case nlohmann::ordered_json::value_t::number_unsigned:
      if (json.get<uint64_t>() > static_cast<uint64_t>(INT64_MAX)) break;
      return Value(json.get<int64_t>());
    case nlohmann::ordered_json::value_t::number_integer:
      return Value(json.get<int64_t>());
    case nlohmann::ordered_json::value_t::number_float:
      return Value(json.get<double>());
    case nlohmann::ordered_json::value_t::string:
      return runtime.make_string(json.get_ref<const std::string&>());
    case nlohmann::ordered_json::value_t::array: {
      std::vector<Value> items;
      for (const auto& item : json) items.push_back(from_json(runtime, item));
      return runtime.make_list(std::move(items));
    }
    case nlohmann::ordered_json::value_t::object: {
      Dict dict;
      for (const auto& [key, item] : json.items()) runtime.set(dict, key, from_json(runtime, item));
      return runtime.make_dict(std::move(dict));
    }
    default:
      return Value(None{});
  }
  runtime.fail("a number of the conversation does not fit 64 bits");
}

}  // namespace caldera::text::jinja
