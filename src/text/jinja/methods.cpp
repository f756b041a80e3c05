#include "text/jinja/methods.hpp"

#include <algorithm>

#include "text/jinja/arguments.hpp"
#include "text/jinja/operators.hpp"

namespace caldera::text::jinja {
namespace {

Value dict_items(Runtime& runtime, const Value& self, const Arguments& arguments) {
  const Parameters none(runtime, "items()", arguments, {});
  return dict_view(runtime, self.dict(), ListKind::kDictItems);
}

Value dict_keys(Runtime& runtime, const Value& self, const Arguments& arguments) {
  const Parameters none(runtime, "keys()", arguments, {});
  return dict_view(runtime, self.dict(), ListKind::kDictKeys);
}

Value dict_values(Runtime& runtime, const Value& self, const Arguments& arguments) {
  const Parameters none(runtime, "values()", arguments, {});
  return dict_view(runtime, self.dict(), ListKind::kDictValues);
}

Value dict_get(Runtime& runtime, const Value& self, const Arguments& arguments) {
  const Parameters given(runtime, "get()", arguments, {"key", "default"}, 1);
  if (!hash_key(given.at(0))) runtime.fail("unhashable type: '" + given.at(0).type_name() + "'");
  if (const Value* found = self.dict().find(given.at(0))) return *found;
  return given.has(1) ? given.at(1) : Value(None{});
}

Value copy(Runtime& runtime, const Value& self, const Arguments& arguments) {
  const Parameters none(runtime, "copy()", arguments, {});
  return self;
}

Value list_index(Runtime& runtime, const Value& self, const Arguments& arguments) {
  const Parameters given(runtime, "index()", arguments, {"value", "start", "stop"}, 1);
  const auto& items = self.list().items;
  const auto size = static_cast<int64_t>(items.size());
  const auto bound = [&](size_t i, int64_t otherwise) {
    const int64_t index = given.integer(i, otherwise);
    return std::clamp<int64_t>(index < 0 ? index + size : index, 0, size);
  };
  const int64_t stop = bound(2, size);
  for (int64_t i = bound(1, 0); i < stop; ++i) {
    if (equals(runtime, items[static_cast<size_t>(i)], given.at(0))) return Value(i);
  }
  runtime.fail("the value is not in the list");
}

Value list_count(Runtime& runtime, const Value& self, const Arguments& arguments) {
  const Parameters given(runtime, "count()", arguments, {"value"}, 1);
  const auto& items = self.list().items;
  return Value(static_cast<int64_t>(std::count_if(
      items.begin(), items.end(), [&](const Value& item) { return equals(runtime, item, given.at(0)); })));
}

MethodFunction find_method(const Value& value, std::string_view name) {
  if (value.is_string()) return find_string_method(name);
  if (value.is_dict()) {
    if (name == "items") return dict_items;
    if (name == "keys") return dict_keys;
    if (name == "values") return dict_values;
    if (name == "get") return dict_get;
    if (name == "copy") return copy;
  }
  if (value.is_list(ListKind::kList) || value.is_list(ListKind::kTuple) || value.is_list(ListKind::kRange)) {
    if (name == "index") return list_index;
    if (name == "count") return list_count;
    if (name == "copy" && value.is_list(ListKind::kList)) return copy;
  }
  return nullptr;
}

}  // namespace

MethodFunction find_string_method(std::string_view name) {
  for (const MethodEntry* table : {string_part_methods(), string_form_methods()}) {
    for (const MethodEntry* entry = table; entry->function != nullptr; ++entry) {
      if (entry->name == name) return entry->function;
    }
  }
  return nullptr;
}

bool has_method(const Value& value, std::string_view name) {
  return find_method(value, name) != nullptr;
}

Value call_method(Runtime& runtime, const Method& method, const Arguments& arguments) {
  return find_method(method.self, method.name)(runtime, method.self, arguments);
}

Value dict_view(Runtime& runtime, const Dict& dict, ListKind kind) {
  std::vector<Value> items;
  items.reserve(dict.items().size());
  for (const auto& [key, value] : dict.items()) {
    if (kind == ListKind::kDictItems) {
      items.push_back(runtime.make_list({key, value}, ListKind::kTuple));
    } else {
      items.push_back(kind == ListKind::kDictKeys ? key : value);
    }
  }
  return runtime.make_list(std::move(items), kind);
}

}  // namespace caldera::text::jinja
