#include "text/jinja/filters.hpp"

#include "text/jinja/operators.hpp"
#include "text/jinja/unicode.hpp"

namespace caldera::text::jinja {

FilterFunction find_filter(std::string_view name) {
  for (const FilterEntry* table :
       {text_filters(), number_filters(), sequence_filters(), selection_filters()}) {
    for (const FilterEntry* entry = table; entry->function != nullptr; ++entry) {
      if (entry->name == name) return entry->function;
    }
  }
  return nullptr;
}

Value attribute_path(Runtime& runtime, const Value& value, const Value& path) {
  if (path.is_none() || path.is_undefined()) return value;
  if (!path.is_string()) return get_item(runtime, value, path);
  Value found = value;
  const std::string_view text = path.text();
  for (size_t begin = 0; begin <= text.size();) {
    const size_t end = std::min(text.find('.', begin), text.size());
    const std::string_view part = text.substr(begin, end - begin);
    const bool index =
        !part.empty() && part.size() < 10 && part.find_first_not_of("0123456789") == std::string_view::npos;
    const Value key = index ? Value(static_cast<int64_t>(std::stoll(std::string(part))))
                            : runtime.make_string(std::string(part));
    found = get_item(runtime, found, key);
    begin = end + 1;
  }
  return found;
}

Value without_case(Runtime& runtime, const Value& value) {
  return value.is_string() ? runtime.make_string(lower(value.text())) : value;
}

}  // namespace caldera::text::jinja
