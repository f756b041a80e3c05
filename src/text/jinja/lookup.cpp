// Attributes, items and slices: the part of operators.hpp that reaches into values.
#include <algorithm>

#include "text/jinja/methods.hpp"
#include "text/jinja/operators.hpp"
#include "text/jinja/unicode.hpp"

namespace caldera::text::jinja {
namespace {

std::optional<Value> find_attribute(Runtime& runtime, const Value& value, std::string_view name) {
  if (value.is_object()) return value.object()->attribute(runtime, name);
  if (value.is_list(ListKind::kGroup)) {
    if (name == "grouper") return value.list().items[0];
    if (name == "list") return value.list().items[1];
  }
  if (!has_method(value, name)) return std::nullopt;
  runtime.charge(64);
  return Value(std::shared_ptr<const Method>(std::make_shared<Method>(Method{value, std::string(name)})));
}

// `index` counted from the front, or nothing if it is out of range.
std::optional<size_t> in_range(int64_t index, size_t size) {
  if (index < 0) index += static_cast<int64_t>(size);
  if (index < 0 || static_cast<uint64_t>(index) >= size) return std::nullopt;
  return static_cast<size_t>(index);
}

Value character(Runtime& runtime, const String& string, size_t index) {
  size_t begin = index;
  if (string.length != string.text.size()) {
    runtime.charge(index);
    begin = byte_offset(string.text, index);
  }
  size_t end = begin;
  next_code_point(string.text, end);
  return runtime.make_string(string.text.substr(begin, end - begin));
}

// The views on a dict have an order but no indices.
bool is_indexable(const Value& value) {
  return value.is_sequence() && !value.is_list(ListKind::kDictKeys) &&
         !value.is_list(ListKind::kDictValues) && !value.is_list(ListKind::kDictItems);
}

std::optional<Value> find_item(Runtime& runtime, const Value& value, const Value& key) {
  if (value.is_dict()) {
    const Value* found = value.dict().find(key);
    return found == nullptr ? std::nullopt : std::optional<Value>(*found);
  }
  const auto index = key.as_index();
  if (!index) return std::nullopt;
  if (value.is_string()) {
    const auto at = in_range(*index, value.string().length);
    return at ? std::optional<Value>(character(runtime, value.string(), *at)) : std::nullopt;
  }
  if (!is_indexable(value)) return std::nullopt;
  const auto at = in_range(*index, value.list().items.size());
  return at ? std::optional<Value>(value.list().items[*at]) : std::nullopt;
}

Value missing(Runtime& runtime, const Value& value, std::string_view name) {
  return runtime.make_undefined("'" + value.type_name() + "' object has no attribute '" + std::string(name) +
                                "'");
}

// The bounds of a slice over `size` items, as slice.indices() of Python computes them.
struct Bounds {
  int64_t start, stop, step;
};

Bounds slice_bounds(Runtime& runtime, const Value& start, const Value& stop, const Value& step,
                    int64_t size) {
  const auto bound = [&](const Value& value, int64_t otherwise) {
    if (value.is_none()) return otherwise;
    if (value.is_undefined()) fail_undefined(runtime, value);
    const auto index = value.as_index();
    if (!index) runtime.fail("slice indices must be integers or None");
    return *index;
  };
  Bounds bounds{0, 0, bound(step, 1)};
  if (bounds.step == 0) runtime.fail("slice step cannot be zero");
  // A longer step reaches no further, and adding it could overflow.
  bounds.step = std::clamp(bounds.step, -size - 1, size + 1);
  const bool backwards = bounds.step < 0;
  const int64_t low = backwards ? -1 : 0;
  const int64_t high = backwards ? size - 1 : size;
  const auto clamp = [&](int64_t index) { return std::clamp(index < 0 ? index + size : index, low, high); };
  bounds.start = start.is_none() ? (backwards ? high : low) : clamp(bound(start, 0));
  bounds.stop = stop.is_none() ? (backwards ? low : high) : clamp(bound(stop, 0));
  return bounds;
}

Value slice_text(Runtime& runtime, const String& string, const Bounds& bounds) {
  runtime.charge(string.text.size());
  if (bounds.step == 1) {
    if (bounds.start >= bounds.stop) return runtime.make_string("");
    const std::string_view text = string.text;
    const auto start = static_cast<size_t>(bounds.start);
    const auto count = static_cast<size_t>(bounds.stop - bounds.start);
    if (string.length == text.size()) return runtime.make_string(std::string(text.substr(start, count)));
    const std::string_view tail = text.substr(byte_offset(text, start));
    return runtime.make_string(std::string(tail.substr(0, byte_offset(tail, count))));
  }
  std::u32string codes;
  runtime.charge(string.length * 4);
  for (size_t offset = 0; offset < string.text.size();) codes.push_back(next_code_point(string.text, offset));
  std::string out;
  for (int64_t i = bounds.start; bounds.step > 0 ? i < bounds.stop : i > bounds.stop; i += bounds.step) {
    append_code_point(out, codes[static_cast<size_t>(i)]);
  }
  return runtime.make_string(std::move(out));
}

}  // namespace

Value get_attribute(Runtime& runtime, const Value& value, std::string_view name) {
  if (value.is_undefined()) fail_undefined(runtime, value);
  if (auto found = find_attribute(runtime, value, name)) return *found;
  if (value.is_dict()) {
    if (const Value* found = value.dict().find(name)) return *found;
  }
  return missing(runtime, value, name);
}

Value get_item(Runtime& runtime, const Value& value, const Value& key) {
  if (value.is_undefined()) fail_undefined(runtime, value);
  if (auto found = find_item(runtime, value, key)) return *found;
  if (!key.is_string())
    return runtime.make_undefined("'" + value.type_name() + "' object has no such element");
  if (auto found = find_attribute(runtime, value, key.text())) return *found;
  return missing(runtime, value, key.text().substr(0, 100));
}

Value slice(Runtime& runtime, const Value& value, const Value& start, const Value& stop, const Value& step) {
  if (value.is_undefined()) fail_undefined(runtime, value);
  if (value.is_string()) {
    const auto size = static_cast<int64_t>(value.string().length);
    return slice_text(runtime, value.string(), slice_bounds(runtime, start, stop, step, size));
  }
  if (!is_indexable(value)) {
    runtime.fail("'" + value.type_name() + "' object cannot be sliced");
  }
  const auto& items = value.list().items;
  const Bounds bounds = slice_bounds(runtime, start, stop, step, static_cast<int64_t>(items.size()));
  std::vector<Value> taken;
  for (int64_t i = bounds.start; bounds.step > 0 ? i < bounds.stop : i > bounds.stop; i += bounds.step) {
    taken.push_back(items[static_cast<size_t>(i)]);
  }
  // A slice of a range is a list here: nothing in a template can tell but its repr.
  const bool tuple = value.list().kind == ListKind::kTuple;
  return runtime.make_list(std::move(taken), tuple ? ListKind::kTuple : ListKind::kList);
}

}  // namespace caldera::text::jinja
