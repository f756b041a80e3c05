#include "text/jinja/value.hpp"

#include <algorithm>
#include <cmath>

#include "text/jinja/python_text.hpp"
#include "text/jinja/runtime.hpp"

namespace caldera::text::jinja {
namespace {

constexpr size_t kMaxTupleKey = 65536;

}  // namespace

std::optional<Value> Object::attribute(Runtime&, std::string_view) {
  return std::nullopt;
}

Value Object::call(Runtime& runtime, const Arguments&) {
  runtime.fail("'" + type_name() + "' object is not callable");
}

std::optional<int64_t> Value::as_index() const {
  if (is_int()) return integer();
  if (is_bool()) return boolean() ? 1 : 0;
  return std::nullopt;
}

std::optional<double> Value::as_number() const {
  if (is_float()) return real();
  if (const auto index = as_index()) return static_cast<double>(*index);
  return std::nullopt;
}

int Value::height() const {
  if (is_sequence()) return list().height;
  if (is_dict()) return dict().height();
  if (is_generator()) return generator().height;
  if (is_method()) return method().self.height() + 1;
  return 0;
}

std::string Value::type_name() const {
  struct Namer {
    std::string operator()(const Undefined&) const { return "Undefined"; }
    std::string operator()(const None&) const { return "None"; }
    std::string operator()(bool) const { return "bool"; }
    std::string operator()(int64_t) const { return "int"; }
    std::string operator()(double) const { return "float"; }
    std::string operator()(const std::shared_ptr<const String>&) const { return "str"; }
    std::string operator()(const std::shared_ptr<const List>& list) const {
      switch (list->kind) {
        case ListKind::kList:
          return "list";
        case ListKind::kTuple:
        case ListKind::kGroup:
          return "tuple";
        case ListKind::kRange:
          return "range";
        case ListKind::kDictKeys:
          return "dict_keys";
        case ListKind::kDictValues:
          return "dict_values";
        case ListKind::kDictItems:
          return "dict_items";
      }
      return "list";
    }
    std::string operator()(const std::shared_ptr<const Dict>&) const { return "dict"; }
    std::string operator()(const std::shared_ptr<Generator>&) const { return "generator"; }
    std::string operator()(const std::shared_ptr<const Method>&) const { return "method"; }
    std::string operator()(const Object* object) const { return object->type_name(); }
  };
  return std::visit(Namer{}, data_);
}

std::optional<std::string> hash_key(const Value& value) {
  if (value.is_string()) return "s" + value.text();
  if (value.is_none()) return "n";
  if (const auto index = value.as_index()) return "i" + std::to_string(*index);
  if (value.is_float()) {
    const double real = value.real();
    // A float that equals an int is the same key; 2^63 itself is out of range.
    if (std::trunc(real) == real && std::abs(real) < 9.2e18)
      return "i" + std::to_string(static_cast<int64_t>(real));
    return "f" + float_repr(real);
  }
  if (value.is_list(ListKind::kTuple)) {
    std::string key = "t";
    for (const Value& item : value.list().items) {
      const auto part = hash_key(item);
      if (!part) return std::nullopt;
      key += std::to_string(part->size()) + ":" + *part;
      // Tuples that share their parts could otherwise double at every level.
      if (key.size() > kMaxTupleKey) return std::nullopt;
    }
    return key;
  }
  if (value.is_undefined()) return "u";
  return std::nullopt;
}

const Value* Dict::find(const Value& key) const {
  if (key.is_string()) return find(std::string_view(key.text()));
  const auto hashed = hash_key(key);
  if (!hashed) return nullptr;
  const auto found = index_.find(*hashed);
  return found == index_.end() ? nullptr : &items_[found->second].second;
}

const Value* Dict::find(std::string_view key) const {
  const auto found = index_.find("s" + std::string(key));
  return found == index_.end() ? nullptr : &items_[found->second].second;
}

bool Dict::set(const Value& key, Value value) {
  auto hashed = hash_key(key);
  if (!hashed) return false;
  height_ = std::max({height_, value.height() + 1, key.height() + 1});
  const auto [at, added] = index_.emplace(std::move(*hashed), items_.size());
  if (added) {
    items_.emplace_back(key, std::move(value));
  } else {
    items_[at->second].second = std::move(value);
  }
  return true;
}

}  // namespace caldera::text::jinja
