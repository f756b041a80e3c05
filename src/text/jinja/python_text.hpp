// Values as Python's str(), repr() and json.dumps() write them.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "text/jinja/runtime.hpp"
#include "text/jinja/value.hpp"

namespace caldera::text::jinja {

/// repr() of a float: the shortest digits that read back the same, with an exponent outside 1e-4 to 1e16.
std::string float_repr(double value);

void append_str(TextBuilder& out, const Value& value);
void append_repr(TextBuilder& out, const Value& value);
/// str(value), charged to the runtime.
std::string to_text(Runtime& runtime, const Value& value);
std::string repr(Runtime& runtime, const Value& value);

/// The keyword arguments of json.dumps that transformers' `tojson` filter hands on.
struct JsonStyle {
  bool ensure_ascii = false;
  bool sort_keys = false;
  bool multi_line = false;
  std::string indent;  ///< of one level, where multi_line
  std::string item_separator = ", ";
  std::string key_separator = ": ";
};
/// Errors: a value that JSON cannot hold.
void append_json(TextBuilder& out, const Value& value, const JsonStyle& style, int level = 0);

/// Errors: nested too deeply; an integer beyond 64 bits.
Value from_json(Runtime& runtime, const nlohmann::ordered_json& json);

}  // namespace caldera::text::jinja
