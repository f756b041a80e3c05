// The filters of Jinja2 (https://jinja.palletsprojects.com/en/stable/templates/#builtin-filters), and
// transformers' `tojson`, which escapes nothing.
#pragma once

#include <string_view>

#include "text/jinja/runtime.hpp"
#include "text/jinja/value.hpp"

namespace caldera::text::jinja {

using FilterFunction = Value (*)(Runtime&, const Value& input, const Arguments&);

struct FilterEntry {
  std::string_view name;
  FilterFunction function;
};

/// The filter of that name, or null.
FilterFunction find_filter(std::string_view name);

/// The filters of each file, ended by an entry without function.
const FilterEntry* text_filters();
const FilterEntry* number_filters();
const FilterEntry* sequence_filters();
const FilterEntry* selection_filters();

/// Walks the path "a.b.0" (or one index) into a value, as filters do with their `attribute`.
Value attribute_path(Runtime& runtime, const Value& value, const Value& path);
/// Text in lower case, anything else as it is: what sorting and comparing filters look at by default.
Value without_case(Runtime& runtime, const Value& value);

}  // namespace caldera::text::jinja
