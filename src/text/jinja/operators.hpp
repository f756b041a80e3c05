// Python's operators and look-ups on values.
#pragma once

#include <string_view>

#include "text/jinja/runtime.hpp"
#include "text/jinja/value.hpp"

namespace caldera::text::jinja {

enum class BinaryOperator { kAdd, kSubtract, kMultiply, kDivide, kFloorDivide, kModulo, kPower };

/// bool(value).
bool truth(const Value& value);
/// a == b.
bool equals(Runtime& runtime, const Value& a, const Value& b);
/// a < b. Errors: types that Python does not order.
bool less(Runtime& runtime, const Value& a, const Value& b);
/// a <= b, which with nan is not the opposite of b < a.
bool less_or_equal(Runtime& runtime, const Value& a, const Value& b);
/// item in container. Errors: a container that is none.
bool contains(Runtime& runtime, const Value& container, const Value& item);

/// Errors: types that do not go together, division by zero, an integer beyond 64 bits, use of an undefined
/// value.
Value binary(Runtime& runtime, BinaryOperator op, const Value& a, const Value& b);
Value negate(Runtime& runtime, const Value& value);
/// +value.
Value plus(Runtime& runtime, const Value& value);

/// len(value). Errors: a value without length.
int64_t length(Runtime& runtime, const Value& value);

/// value.name: an attribute or else an item; undefined if there is neither. Errors: `value` is undefined.
Value get_attribute(Runtime& runtime, const Value& value, std::string_view name);
/// value[key]: an item or else an attribute; undefined if there is neither. Errors: `value` is undefined.
Value get_item(Runtime& runtime, const Value& value, const Value& key);
/// value[start:stop:step], none standing for what is left out. Errors: not a sequence, bounds that are no
/// integers.
Value slice(Runtime& runtime, const Value& value, const Value& start, const Value& stop, const Value& step);

/// Throws the error that any use of an undefined value is.
[[noreturn]] void fail_undefined(Runtime& runtime, const Value& undefined);

}  // namespace caldera::text::jinja
