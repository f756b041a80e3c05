// The methods of str, list, tuple and dict that a sandboxed template may call: those that change nothing.
#pragma once

#include <string_view>

#include "text/jinja/runtime.hpp"
#include "text/jinja/value.hpp"

namespace caldera::text::jinja {

bool has_method(const Value& value, std::string_view name);
/// Errors: arguments that do not fit.
Value call_method(Runtime& runtime, const Method& method, const Arguments& arguments);

using MethodFunction = Value (*)(Runtime&, const Value& self, const Arguments&);

struct MethodEntry {
  std::string_view name;
  MethodFunction function;
};

/// The methods of str in each file, ended by an entry without function.
const MethodEntry* string_part_methods();
const MethodEntry* string_form_methods();

/// The method of str of that name, or null.
MethodFunction find_string_method(std::string_view name);

/// str.replace; a negative count replaces all.
Value replace_text(Runtime& runtime, std::string_view text, std::string_view from, std::string_view to,
                   int64_t count);
/// str.splitlines.
std::vector<std::string_view> split_lines(std::string_view text, bool keep_ends);
/// str.capitalize.
std::string capitalized(std::string_view text);

/// The items, keys and values of a dict as views on it.
Value dict_view(Runtime& runtime, const Dict& dict, ListKind kind);

}  // namespace caldera::text::jinja
