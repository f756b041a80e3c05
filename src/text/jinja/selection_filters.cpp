// Filters that apply another filter or a test to each item: map, select, reject, selectattr and rejectattr.
#include "text/jinja/arguments.hpp"
#include "text/jinja/filters.hpp"
#include "text/jinja/operators.hpp"
#include "text/jinja/tests.hpp"

namespace caldera::text::jinja {
namespace {

Value map_attribute(Runtime& runtime, const Value& input, const Arguments& arguments) {
  const Parameters given(runtime, "map", arguments, {"attribute", "default"}, 1);
  std::vector<Value> mapped;
  for (const Value& item : runtime.iterate(input)) {
    Value found = attribute_path(runtime, item, given.at(0));
    mapped.push_back(found.is_undefined() && given.is_set(1) ? given.at(1) : std::move(found));
  }
  return runtime.make_generator(std::move(mapped));
}

Value map(Runtime& runtime, const Value& input, const Arguments& arguments) {
  if (!truth(input)) return runtime.make_generator({});
  if (arguments.positional.empty()) return map_attribute(runtime, input, arguments);
  const Value& name = arguments.positional.front();
  const FilterFunction filter = name.is_string() ? find_filter(name.text()) : nullptr;
  if (filter == nullptr) runtime.fail("map needs the name of a filter");
  const Arguments rest{{arguments.positional.begin() + 1, arguments.positional.end()}, arguments.named};
  std::vector<Value> mapped;
  const Runtime::Nesting nesting(runtime);  // map('map', ...) nests
  for (const Value& item : runtime.iterate(input)) {
    runtime.charge(16);
    mapped.push_back(filter(runtime, item, rest));
  }
  return runtime.make_generator(std::move(mapped));
}

// The items for which the test, of the attribute if there is one, gives `wanted`.
Value choose(Runtime& runtime, const Value& input, const Arguments& arguments, bool by_attribute,
             bool wanted) {
  if (!truth(input)) return runtime.make_generator({});
  const auto& given = arguments.positional;
  const size_t skipped = by_attribute ? 1 : 0;
  if (given.size() < skipped) runtime.fail("selectattr and rejectattr need the name of an attribute");
  TestFunction test = nullptr;
  Arguments rest;
  if (given.size() > skipped) {
    const Value& name = given[skipped];
    test = name.is_string() ? find_test(name.text()) : nullptr;
    if (test == nullptr) runtime.fail("there is no test of the name that select or reject was given");
    rest.positional.assign(given.begin() + static_cast<std::ptrdiff_t>(skipped) + 1, given.end());
    rest.named = arguments.named;
  }
  std::vector<Value> chosen;
  for (const Value& item : runtime.iterate(input)) {
    runtime.charge(16);
    const Value tested = by_attribute ? attribute_path(runtime, item, given[0]) : item;
    if ((test == nullptr ? truth(tested) : test(runtime, tested, rest)) == wanted) chosen.push_back(item);
  }
  return runtime.make_generator(std::move(chosen));
}

Value select(Runtime& r, const Value& input, const Arguments& a) {
  return choose(r, input, a, false, true);
}
Value reject(Runtime& r, const Value& input, const Arguments& a) {
  return choose(r, input, a, false, false);
}
Value selectattr(Runtime& r, const Value& input, const Arguments& a) {
  return choose(r, input, a, true, true);
}
Value rejectattr(Runtime& r, const Value& input, const Arguments& a) {
  return choose(r, input, a, true, false);
}

}  // namespace

const FilterEntry* selection_filters() {
  static constexpr FilterEntry kFilters[] = {
      {"map", map},       {"reject", reject},         {"rejectattr", rejectattr},
      {"select", select}, {"selectattr", selectattr}, {"", nullptr},
  };
  return kFilters;
}

}  // namespace caldera::text::jinja
