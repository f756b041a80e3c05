// Filters whose input is a sequence or a mapping.
#include <algorithm>

#include "text/jinja/arguments.hpp"
#include "text/jinja/filters.hpp"
#include "text/jinja/methods.hpp"
#include "text/jinja/operators.hpp"
#include "text/jinja/python_text.hpp"
#include "text/jinja/unicode.hpp"

namespace caldera::text::jinja {
namespace {

Value length_filter(Runtime& runtime, const Value& input, const Arguments& arguments) {
  const Parameters none(runtime, "length", arguments, {});
  return Value(length(runtime, input));
}

Value default_filter(Runtime& runtime, const Value& input, const Arguments& arguments) {
  const Parameters given(runtime, "default", arguments, {"default_value", "boolean"});
  if (!input.is_undefined() && !(given.flag(1) && !truth(input))) return input;
  return given.has(0) ? given.at(0) : runtime.make_string("");
}

Value first(Runtime& runtime, const Value& input, const Arguments& arguments) {
  const Parameters none(runtime, "first", arguments, {});
  if (input.is_generator()) {
    Generator& generator = input.generator();
    if (generator.next < generator.items.size()) return generator.items[generator.next++];
  } else if (input.is_string() && !input.text().empty()) {
    return get_item(runtime, input, Value(int64_t{0}));
  } else if (const auto items = runtime.iterate(input); !items.empty()) {
    return items.front();
  }
  return runtime.make_undefined("No first item, sequence was empty.");
}

Value last(Runtime& runtime, const Value& input, const Arguments& arguments) {
  const Parameters none(runtime, "last", arguments, {});
  if (input.is_generator()) runtime.fail("'generator' object is not reversible");
  if (input.is_string() && !input.text().empty()) return get_item(runtime, input, Value(int64_t{-1}));
  if (const auto items = runtime.iterate(input); !items.empty()) return items.back();
  return runtime.make_undefined("No last item, sequence was empty.");
}

Value list(Runtime& runtime, const Value& input, const Arguments& arguments) {
  const Parameters none(runtime, "list", arguments, {});
  return runtime.make_list(runtime.iterate(input));
}

Value reverse(Runtime& runtime, const Value& input, const Arguments& arguments) {
  const Parameters none(runtime, "reverse", arguments, {});
  const Value nothing{None{}};
  if (input.is_string()) return slice(runtime, input, nothing, nothing, Value(int64_t{-1}));
  auto items = runtime.iterate(input);
  std::reverse(items.begin(), items.end());
  // What cannot be walked backwards is copied first, and then it is a list.
  if (input.is_generator()) return runtime.make_list(std::move(items));
  return runtime.make_generator(std::move(items));
}

Value join(Runtime& runtime, const Value& input, const Arguments& arguments) {
  const Parameters given(runtime, "join", arguments, {"d", "attribute"});
  const std::string separator = given.has(0) ? to_text(runtime, given.at(0)) : "";
  TextBuilder out(runtime);
  bool first_item = true;
  for (const Value& item : runtime.iterate(input)) {
    if (!first_item) out.append(separator);
    first_item = false;
    append_str(out, attribute_path(runtime, item, given.at(1)));
  }
  return out.value();
}

Value items(Runtime& runtime, const Value& input, const Arguments& arguments) {
  const Parameters none(runtime, "items", arguments, {});
  if (input.is_undefined()) return runtime.make_generator({});
  if (!input.is_dict()) runtime.fail("items needs a mapping, not " + input.type_name());
  return runtime.make_generator(dict_view(runtime, input.dict(), ListKind::kDictItems).list().items);
}

// The keys by which `values` are to be compared: each by its attributes, a comma between them.
std::vector<Value> sort_keys(Runtime& runtime, const std::vector<Value>& values, const Value& attributes,
                             bool with_case) {
  std::vector<Value> paths;
  if (attributes.is_string()) {
    const Value comma = runtime.make_string(",");
    paths = find_string_method("split")(runtime, attributes, {{comma}, {}}).list().items;
  } else {
    paths.push_back(attributes);
  }
  std::vector<Value> keys;
  for (const Value& value : values) {
    std::vector<Value> parts;
    for (const Value& path : paths) {
      const Value part = attribute_path(runtime, value, path);
      parts.push_back(with_case ? part : without_case(runtime, part));
    }
    keys.push_back(parts.size() == 1 ? parts.front() : runtime.make_list(std::move(parts)));
  }
  return keys;
}

// The order in which `keys` are sorted; equal ones keep theirs.
std::vector<size_t> sorted_order(Runtime& runtime, const std::vector<Value>& keys, bool reversed) {
  std::vector<size_t> order(keys.size());
  for (size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) {
    return reversed ? less(runtime, keys[b], keys[a]) : less(runtime, keys[a], keys[b]);
  });
  return order;
}

std::vector<Value> sorted(Runtime& runtime, const std::vector<Value>& values, const std::vector<Value>& keys,
                          bool reversed) {
  std::vector<Value> out;
  for (const size_t i : sorted_order(runtime, keys, reversed)) out.push_back(values[i]);
  return out;
}

Value sort(Runtime& runtime, const Value& input, const Arguments& arguments) {
  const Parameters given(runtime, "sort", arguments, {"reverse", "case_sensitive", "attribute"});
  const auto values = runtime.iterate(input);
  const auto keys = sort_keys(runtime, values, given.at(2), given.flag(1));
  return runtime.make_list(sorted(runtime, values, keys, given.flag(0)));
}

Value dictsort(Runtime& runtime, const Value& input, const Arguments& arguments) {
  const Parameters given(runtime, "dictsort", arguments, {"case_sensitive", "by", "reverse"});
  const std::string_view by = given.text(1, "key");
  if (by != "key" && by != "value") runtime.fail("dictsort: 'by' must be key or value");
  if (input.is_undefined()) fail_undefined(runtime, input);
  if (!input.is_dict()) runtime.fail("dictsort needs a mapping, not " + input.type_name());
  const auto values = dict_view(runtime, input.dict(), ListKind::kDictItems).list().items;
  const Value position(int64_t{by == "key" ? 0 : 1});
  const auto keys = sort_keys(runtime, values, position, given.flag(0));
  return runtime.make_list(sorted(runtime, values, keys, given.flag(2)));
}

Value groupby(Runtime& runtime, const Value& input, const Arguments& arguments) {
  const Parameters given(runtime, "groupby", arguments, {"attribute", "default", "case_sensitive"}, 1);
  const auto values = runtime.iterate(input);
  std::vector<Value> plain;
  std::vector<Value> keys;
  for (const Value& value : values) {
    Value key = attribute_path(runtime, value, given.at(0));
    if (key.is_undefined() && given.is_set(1)) key = given.at(1);
    plain.push_back(key);
    keys.push_back(given.flag(2) ? key : without_case(runtime, key));
  }
  const auto order = sorted_order(runtime, keys, false);
  std::vector<Value> groups;
  for (size_t begin = 0; begin < order.size();) {
    std::vector<Value> members;
    size_t end = begin;
    for (; end < order.size() && equals(runtime, keys[order[end]], keys[order[begin]]); ++end) {
      members.push_back(values[order[end]]);
    }
    // A key that does not equal itself (nan) is a group of its own.
    if (end == begin) members.push_back(values[order[end++]]);
    groups.push_back(
        runtime.make_list({plain[order[begin]], runtime.make_list(std::move(members))}, ListKind::kGroup));
    begin = end;
  }
  return runtime.make_list(std::move(groups));
}

Value unique(Runtime& runtime, const Value& input, const Arguments& arguments) {
  const Parameters given(runtime, "unique", arguments, {"case_sensitive", "attribute"});
  Dict seen;
  std::vector<Value> kept;
  for (const Value& value : runtime.iterate(input)) {
    const Value key = attribute_path(runtime, value, given.at(1));
    const Value compared = given.flag(0) ? key : without_case(runtime, key);
    const size_t before = seen.items().size();
    runtime.set(seen, compared, Value(true));
    if (seen.items().size() > before) kept.push_back(value);
  }
  return runtime.make_generator(std::move(kept));
}

Value extreme(Runtime& runtime, const Value& input, const Arguments& arguments, bool largest) {
  const Parameters given(runtime, largest ? "max" : "min", arguments, {"case_sensitive", "attribute"});
  const auto values = runtime.iterate(input);
  if (values.empty()) return runtime.make_undefined("No aggregated item, sequence was empty.");
  const auto key = [&](const Value& value) {
    const Value part = attribute_path(runtime, value, given.at(1));
    return given.flag(0) ? part : without_case(runtime, part);
  };
  size_t best = 0;
  Value best_key = key(values[0]);
  for (size_t i = 1; i < values.size(); ++i) {
    const Value other = key(values[i]);
    if (largest ? less(runtime, best_key, other) : less(runtime, other, best_key)) {
      best = i;
      best_key = other;
    }
  }
  return values[best];
}

Value min_filter(Runtime& r, const Value& input, const Arguments& a) {
  return extreme(r, input, a, false);
}
Value max_filter(Runtime& r, const Value& input, const Arguments& a) {
  return extreme(r, input, a, true);
}

Value sum(Runtime& runtime, const Value& input, const Arguments& arguments) {
  const Parameters given(runtime, "sum", arguments, {"attribute", "start"});
  Value total = given.has(1) ? given.at(1) : Value(int64_t{0});
  if (total.is_string()) runtime.fail("sum cannot add strings; use join");
  for (const Value& item : runtime.iterate(input)) {
    total = binary(runtime, BinaryOperator::kAdd, total, attribute_path(runtime, item, given.at(0)));
  }
  return total;
}

Value batch(Runtime& runtime, const Value& input, const Arguments& arguments) {
  const Parameters given(runtime, "batch", arguments, {"linecount", "fill_with"}, 1);
  const int64_t count = given.integer(0);
  std::vector<Value> rows;
  std::vector<Value> row;
  for (const Value& item : runtime.iterate(input)) {
    if (static_cast<int64_t>(row.size()) == count) rows.push_back(runtime.make_list(std::exchange(row, {})));
    row.push_back(item);
  }
  if (!row.empty()) {
    const int64_t lacking = count - static_cast<int64_t>(row.size());
    if (given.is_set(1) && lacking > 0) {
      runtime.charge(static_cast<uint64_t>(lacking) > runtime.limits().work
                         ? runtime.limits().work + 1
                         : static_cast<uint64_t>(lacking) * 32);
      row.insert(row.end(), static_cast<size_t>(lacking), given.at(1));
    }
    rows.push_back(runtime.make_list(std::move(row)));
  }
  return runtime.make_generator(std::move(rows));
}

Value slice_filter(Runtime& runtime, const Value& input, const Arguments& arguments) {
  const Parameters given(runtime, "slice", arguments, {"slices", "fill_with"}, 1);
  const auto values = runtime.iterate(input);
  const int64_t slices = given.integer(0);
  if (slices == 0) runtime.fail("slice: division by zero");
  std::vector<Value> rows;
  if (slices < 0) return runtime.make_generator(std::move(rows));
  const auto count = static_cast<size_t>(slices);
  const size_t each = values.size() / count;
  const size_t longer = values.size() % count;
  size_t begin = 0;
  for (size_t i = 0; i < count; ++i) {
    const size_t end = begin + each + (i < longer ? 1 : 0);
    std::vector<Value> row(values.begin() + static_cast<std::ptrdiff_t>(begin),
                           values.begin() + static_cast<std::ptrdiff_t>(end));
    if (given.is_set(1) && i >= longer) row.push_back(given.at(1));
    rows.push_back(runtime.make_list(std::move(row)));
    begin = end;
  }
  return runtime.make_generator(std::move(rows));
}

Value attr(Runtime& runtime, const Value& input, const Arguments& arguments) {
  const Parameters given(runtime, "attr", arguments, {"name"}, 1);
  const std::string_view name = given.text(0);
  // Only attributes: items of a mapping are no answer here.
  if (!input.is_dict() || has_method(input, name)) return get_attribute(runtime, input, name);
  return runtime.make_undefined("'dict' object has no attribute '" + std::string(name.substr(0, 100)) + "'");
}

}  // namespace

const FilterEntry* sequence_filters() {
  static constexpr FilterEntry kFilters[] = {
      {"attr", attr},
      {"batch", batch},
      {"count", length_filter},
      {"d", default_filter},
      {"default", default_filter},
      {"dictsort", dictsort},
      {"first", first},
      {"groupby", groupby},
      {"items", items},
      {"join", join},
      {"last", last},
      {"length", length_filter},
      {"list", list},
      {"max", max_filter},
      {"min", min_filter},
      {"reverse", reverse},
      {"slice", slice_filter},
      {"sort", sort},
      {"sum", sum},
      {"unique", unique},
      {"", nullptr},
  };
  return kFilters;
}

}  // namespace caldera::text::jinja
