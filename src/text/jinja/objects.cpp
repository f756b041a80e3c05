#include "text/jinja/objects.hpp"

#include <algorithm>

#include "text/jinja/operators.hpp"

namespace caldera::text::jinja {

std::optional<Value> Namespace::attribute(Runtime&, std::string_view name) {
  const auto found = attributes.find(name);
  return found == attributes.end() ? std::nullopt : std::optional<Value>(found->second);
}

bool Loop::fetch(Runtime& runtime, size_t count) {
  while (items_.size() < count) {
    auto item = source_ ? source_() : std::nullopt;
    if (!item) return false;
    runtime.charge(32);
    items_.push_back(std::move(*item));
  }
  return true;
}

const Value* Loop::advance(Runtime& runtime) {
  ++index_;
  return fetch(runtime, static_cast<size_t>(index_) + 1) ? &items_[static_cast<size_t>(index_)] : nullptr;
}

Value Loop::neighbour(Runtime& runtime, int64_t index) {
  if (index >= 0 && fetch(runtime, static_cast<size_t>(index) + 1)) return items_[static_cast<size_t>(index)];
  return runtime.make_undefined(index < 0 ? "there is no previous item" : "there is no next item");
}

Value Loop::changed(Runtime& runtime, const Arguments& arguments) {
  const auto& values = arguments.positional;
  const bool same =
      last_changed_ && std::equal(values.begin(), values.end(), last_changed_->begin(), last_changed_->end(),
                                  [&](const Value& a, const Value& b) { return equals(runtime, a, b); });
  last_changed_ = values;
  return Value(!same);
}

std::optional<Value> Loop::attribute(Runtime& runtime, std::string_view name) {
  if (name == "index") return Value(index_ + 1);
  if (name == "index0") return Value(index_);
  if (name == "first") return Value(index_ == 0);
  if (name == "last") return Value(!fetch(runtime, static_cast<size_t>(index_) + 2));
  if (name == "depth") return Value(int64_t{1});
  if (name == "depth0") return Value(int64_t{0});
  if (name == "previtem") return neighbour(runtime, index_ - 1);
  if (name == "nextitem") return neighbour(runtime, index_ + 1);
  if (name == "length" || name == "revindex" || name == "revindex0") {
    while (fetch(runtime, items_.size() + 1)) {
    }
    const auto size = static_cast<int64_t>(items_.size());
    if (name == "length") return Value(size);
    return Value(name == "revindex" ? size - index_ : size - index_ - 1);
  }
  if (name == "cycle") {
    return Value(
        static_cast<Object*>(runtime.make_object<Function>([this](Runtime& r, const Arguments& arguments) {
          const auto& choices = arguments.positional;
          if (choices.empty()) r.fail("loop.cycle needs something to choose from");
          return choices[static_cast<size_t>(index_) % choices.size()];
        })));
  }
  if (name == "changed") {
    return Value(static_cast<Object*>(runtime.make_object<Function>(
        [this](Runtime& r, const Arguments& arguments) { return changed(r, arguments); })));
  }
  return std::nullopt;
}

}  // namespace caldera::text::jinja
