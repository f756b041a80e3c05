#include "text/jinja/globals.hpp"

#include <array>
#include <ctime>

#include "text/jinja/arguments.hpp"
#include "text/jinja/objects.hpp"
#include "text/jinja/operators.hpp"
#include "text/jinja/python_text.hpp"

namespace caldera::text::jinja {
namespace {

constexpr int64_t kMaxRange = 100000;  // MAX_RANGE of Jinja2's sandbox

Value range(Runtime& runtime, const Arguments& arguments) {
  const auto& given = arguments.positional;
  if (given.empty() || given.size() > 3 || !arguments.named.empty())
    runtime.fail("range takes 1 to 3 integers");
  std::array<int64_t, 3> numbers{};
  for (size_t i = 0; i < given.size(); ++i) {
    if (given[i].is_undefined()) fail_undefined(runtime, given[i]);
    const auto index = given[i].as_index();
    if (!index) runtime.fail("range takes integers, not " + given[i].type_name());
    numbers[i] = *index;
  }
  auto made = std::make_shared<List>();
  made->kind = ListKind::kRange;
  made->range_start = given.size() == 1 ? 0 : numbers[0];
  made->range_stop = given.size() == 1 ? numbers[0] : numbers[1];
  made->range_step = given.size() == 3 ? numbers[2] : 1;
  if (made->range_step == 0) runtime.fail("range's step must not be zero");
  const bool up = made->range_step > 0;
  for (int64_t at = made->range_start; up ? at < made->range_stop : at > made->range_stop;) {
    if (made->items.size() >= kMaxRange) runtime.fail("range is longer than " + std::to_string(kMaxRange));
    made->items.emplace_back(at);
    if (__builtin_add_overflow(at, made->range_step, &at)) break;
  }
  runtime.charge(made->items.size() * 32);
  return Value(std::shared_ptr<const List>(std::move(made)));
}

// The items of dict(...) and namespace(...): one mapping or list of pairs, then keywords.
Dict collect_items(Runtime& runtime, const Arguments& arguments) {
  if (arguments.positional.size() > 1) runtime.fail("dict and namespace take at most one mapping");
  Dict dict;
  for (const Value& source : arguments.positional) {
    if (source.is_dict()) {
      for (const auto& [key, value] : source.dict().items()) runtime.set(dict, key, value);
      continue;
    }
    for (const Value& item : runtime.iterate(source)) {
      const auto pair = runtime.iterate(item);
      if (pair.size() != 2) runtime.fail("dict and namespace need pairs of a key and a value");
      runtime.set(dict, pair[0], pair[1]);
    }
  }
  for (const auto& [name, value] : arguments.named) runtime.set(dict, name, value);
  return dict;
}

Value dict(Runtime& runtime, const Arguments& arguments) {
  return runtime.make_dict(collect_items(runtime, arguments));
}

Value make_namespace(Runtime& runtime, const Arguments& arguments) {
  auto* made = runtime.make_object<Namespace>();
  const Dict attributes = collect_items(runtime, arguments);
  for (const auto& [key, value] : attributes.items()) {
    if (key.is_string()) made->attributes.insert_or_assign(key.text(), value);
  }
  return Value(static_cast<Object*>(made));
}

Value raise_exception(Runtime& runtime, const Arguments& arguments) {
  const Parameters given(runtime, "raise_exception", arguments, {"message"}, 1);
  runtime.fail(to_text(runtime, given.at(0)));
}

Value strftime_now(Runtime& runtime, const Arguments& arguments) {
  const Parameters given(runtime, "strftime_now", arguments, {"format"}, 1);
  const std::string format(given.text(0));
  if (format.size() > 1000) runtime.fail("strftime_now: the format is too long");
  if (format.empty()) return runtime.make_string("");
  const std::time_t now = std::time(nullptr);
  std::tm local{};
  localtime_r(&now, &local);
  // A blank in front tells an empty result from one that does not fit.
  std::array<char, 65536> buffer;
  const size_t size = std::strftime(buffer.data(), buffer.size(), (" " + format).c_str(), &local);
  if (size == 0) runtime.fail("strftime_now: the result is too long");
  return runtime.make_string(std::string(buffer.data() + 1, size - 1));
}

// joiner(sep): nothing the first time it is called, then the separator.
Value joiner(Runtime& runtime, const Arguments& arguments) {
  const Parameters given(runtime, "joiner", arguments, {"sep"});
  const Value separator = given.has(0) ? given.at(0) : runtime.make_string(", ");
  auto* made = runtime.make_object<Function>([separator, used = false](Runtime& r, const Arguments&) mutable {
    if (used) return separator;
    used = true;
    return r.make_string("");
  });
  return Value(static_cast<Object*>(made));
}

// cycler(...): next() walks round the arguments, `current` is the one that comes next.
class Cycler : public Object {
 public:
  explicit Cycler(std::vector<Value> items) : items_(std::move(items)) {}
  std::string type_name() const override { return "Cycler"; }
  std::optional<Value> attribute(Runtime& runtime, std::string_view name) override {
    if (name == "current") return items_[at_];
    if (name != "next" && name != "reset") return std::nullopt;
    const bool reset = name == "reset";
    return Value(
        static_cast<Object*>(runtime.make_object<Function>([this, reset](Runtime&, const Arguments&) {
          const Value item = reset ? Value(None{}) : items_[at_];
          at_ = reset ? 0 : (at_ + 1) % items_.size();
          return item;
        })));
  }

 private:
  std::vector<Value> items_;
  size_t at_ = 0;
};

Value cycler(Runtime& runtime, const Arguments& arguments) {
  if (arguments.positional.empty()) runtime.fail("cycler needs at least one item");
  return Value(static_cast<Object*>(runtime.make_object<Cycler>(arguments.positional)));
}

}  // namespace

void add_globals(Runtime& runtime, Scope& scope) {
  const auto add = [&](const char* name, Value (*function)(Runtime&, const Arguments&)) {
    scope.variables.insert_or_assign(name,
                                     Value(static_cast<Object*>(runtime.make_object<Function>(function))));
  };
  add("range", range);
  add("dict", dict);
  add("namespace", make_namespace);
  add("joiner", joiner);
  add("cycler", cycler);
  add("raise_exception", raise_exception);
  add("strftime_now", strftime_now);
}

}  // namespace caldera::text::jinja
