#include "text/jinja/tests.hpp"

#include <algorithm>

#include "text/jinja/arguments.hpp"
#include "text/jinja/filters.hpp"
#include "text/jinja/methods.hpp"
#include "text/jinja/operators.hpp"
#include "text/jinja/python_text.hpp"

namespace caldera::text::jinja {
namespace {

void expect_none(Runtime& runtime, const Arguments& arguments) {
  const Parameters none(runtime, "this test", arguments, {});
}

// The one argument that a test compares with.
Value other(Runtime& runtime, const Arguments& arguments) {
  return Parameters(runtime, "this test", arguments, {"other"}, 1).at(0);
}

template <bool (Value::*kHolds)() const>
bool is_type(Runtime& runtime, const Value& value, const Arguments& arguments) {
  expect_none(runtime, arguments);
  return (value.*kHolds)();
}

bool is_defined(Runtime& runtime, const Value& value, const Arguments& arguments) {
  expect_none(runtime, arguments);
  return !value.is_undefined();
}

bool is_number(Runtime& runtime, const Value& value, const Arguments& arguments) {
  expect_none(runtime, arguments);
  return value.as_number().has_value();
}

template <bool kWanted>
bool is_boolean(Runtime& runtime, const Value& value, const Arguments& arguments) {
  expect_none(runtime, arguments);
  return value.is_bool() && value.boolean() == kWanted;
}

bool is_iterable(Runtime& runtime, const Value& value, const Arguments& arguments) {
  expect_none(runtime, arguments);
  return value.is_string() || value.is_sequence() || value.is_dict() || value.is_generator() ||
         value.is_undefined();
}

bool is_sequence(Runtime& runtime, const Value& value, const Arguments& arguments) {
  expect_none(runtime, arguments);
  const bool view = value.is_list(ListKind::kDictKeys) || value.is_list(ListKind::kDictValues) ||
                    value.is_list(ListKind::kDictItems);
  return value.is_string() || (value.is_sequence() && !view) || value.is_dict() || value.is_undefined();
}

bool is_callable(Runtime& runtime, const Value& value, const Arguments& arguments) {
  expect_none(runtime, arguments);
  // Python calls an undefined value callable too; the call then fails.
  return value.is_method() || value.is_undefined() || (value.is_object() && value.object()->callable());
}

bool is_same(Runtime& runtime, const Value& value, const Arguments& arguments) {
  const Value compared = other(runtime, arguments);
  if (value.data().index() != compared.data().index()) return false;
  if (value.is_sequence()) return &value.list() == &compared.list();
  if (value.is_dict()) return &value.dict() == &compared.dict();
  if (value.is_undefined()) return false;
  return equals(runtime, value, compared);
}

bool is_escaped(Runtime& runtime, const Value& value, const Arguments& arguments) {
  expect_none(runtime, arguments);
  return value.is_string() && value.string().markup;
}

bool text_is(Runtime& runtime, const Value& value, const char* method) {
  const Value text = runtime.make_string(to_text(runtime, value));
  return find_string_method(method)(runtime, text, {}).boolean();
}

bool is_lower(Runtime& runtime, const Value& value, const Arguments& arguments) {
  expect_none(runtime, arguments);
  return text_is(runtime, value, "islower");
}

bool is_upper(Runtime& runtime, const Value& value, const Arguments& arguments) {
  expect_none(runtime, arguments);
  return text_is(runtime, value, "isupper");
}

bool has_remainder(Runtime& runtime, const Value& value, int64_t divisor, int64_t wanted) {
  const Value remainder = binary(runtime, BinaryOperator::kModulo, value, Value(divisor));
  return equals(runtime, remainder, Value(wanted));
}

bool is_odd(Runtime& runtime, const Value& value, const Arguments& arguments) {
  expect_none(runtime, arguments);
  return has_remainder(runtime, value, 2, 1);
}

bool is_even(Runtime& runtime, const Value& value, const Arguments& arguments) {
  expect_none(runtime, arguments);
  return has_remainder(runtime, value, 2, 0);
}

bool is_divisible(Runtime& runtime, const Value& value, const Arguments& arguments) {
  const Value remainder = binary(runtime, BinaryOperator::kModulo, value, other(runtime, arguments));
  return equals(runtime, remainder, Value(int64_t{0}));
}

bool is_filter(Runtime& runtime, const Value& value, const Arguments& arguments) {
  expect_none(runtime, arguments);
  return value.is_string() && find_filter(value.text()) != nullptr;
}

bool is_test(Runtime& runtime, const Value& value, const Arguments& arguments) {
  expect_none(runtime, arguments);
  return value.is_string() && find_test(value.text()) != nullptr;
}

bool is_in(Runtime& r, const Value& value, const Arguments& a) {
  return contains(r, other(r, a), value);
}
bool is_equal(Runtime& r, const Value& value, const Arguments& a) {
  return equals(r, value, other(r, a));
}
bool is_unequal(Runtime& r, const Value& value, const Arguments& a) {
  return !equals(r, value, other(r, a));
}
bool is_less(Runtime& r, const Value& value, const Arguments& a) {
  return less(r, value, other(r, a));
}
bool is_greater(Runtime& r, const Value& value, const Arguments& a) {
  return less(r, other(r, a), value);
}
bool is_at_most(Runtime& r, const Value& value, const Arguments& a) {
  return less_or_equal(r, value, other(r, a));
}
bool is_at_least(Runtime& r, const Value& value, const Arguments& a) {
  return less_or_equal(r, other(r, a), value);
}

struct Entry {
  std::string_view name;
  TestFunction function;
};

constexpr Entry kTests[] = {
    {"!=", is_unequal},
    {"<", is_less},
    {"<=", is_at_most},
    {"==", is_equal},
    {">", is_greater},
    {">=", is_at_least},
    {"boolean", is_type<&Value::is_bool>},
    {"callable", is_callable},
    {"defined", is_defined},
    {"divisibleby", is_divisible},
    {"eq", is_equal},
    {"equalto", is_equal},
    {"escaped", is_escaped},
    {"even", is_even},
    {"false", is_boolean<false>},
    {"filter", is_filter},
    {"float", is_type<&Value::is_float>},
    {"ge", is_at_least},
    {"greaterthan", is_greater},
    {"gt", is_greater},
    {"in", is_in},
    {"integer", is_type<&Value::is_int>},
    {"iterable", is_iterable},
    {"le", is_at_most},
    {"lessthan", is_less},
    {"lower", is_lower},
    {"lt", is_less},
    {"mapping", is_type<&Value::is_dict>},
    {"ne", is_unequal},
    {"none", is_type<&Value::is_none>},
    {"number", is_number},
    {"odd", is_odd},
    {"sameas", is_same},
    {"sequence", is_sequence},
    {"string", is_type<&Value::is_string>},
    {"test", is_test},
    {"true", is_boolean<true>},
    {"undefined", is_type<&Value::is_undefined>},
    {"upper", is_upper},
};

}  // namespace

TestFunction find_test(std::string_view name) {
  const auto* found = std::find_if(std::begin(kTests), std::end(kTests),
                                   [&](const Entry& entry) { return entry.name == name; });
  return found == std::end(kTests) ? nullptr : found->function;
}

}  // namespace caldera::text::jinja
