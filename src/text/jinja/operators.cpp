#include "text/jinja/operators.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "text/jinja/format.hpp"
#include "text/jinja/html.hpp"
#include "text/jinja/text_search.hpp"

namespace caldera::text::jinja {
namespace {

// Exact for every int64: at least 64 bits of mantissa, or the comparison is of doubles anyway.
long double exact(const Value& value) {
  return value.is_float() ? static_cast<long double>(value.real())
                          : static_cast<long double>(*value.as_index());
}

const char* symbol(BinaryOperator op) {
  switch (op) {
    case BinaryOperator::kAdd:
      return "+";
    case BinaryOperator::kSubtract:
      return "-";
    case BinaryOperator::kMultiply:
      return "*";
    case BinaryOperator::kDivide:
      return "/";
    case BinaryOperator::kFloorDivide:
      return "//";
    case BinaryOperator::kModulo:
      return "%";
    case BinaryOperator::kPower:
      return "**";
  }
  return "?";
}

[[noreturn]] void fail_overflow(Runtime& runtime) {
  runtime.fail("an integer does not fit 64 bits");
}

int64_t integer_power(Runtime& runtime, int64_t base, int64_t exponent) {
  int64_t result = 1;
  for (;;) {
    if ((exponent & 1) != 0 && __builtin_mul_overflow(result, base, &result)) fail_overflow(runtime);
    exponent >>= 1;
    if (exponent == 0) return result;
    if (__builtin_mul_overflow(base, base, &base)) fail_overflow(runtime);
  }
}

Value integer_binary(Runtime& runtime, BinaryOperator op, int64_t a, int64_t b) {
  int64_t result = 0;
  switch (op) {
    case BinaryOperator::kAdd:
      if (__builtin_add_overflow(a, b, &result)) fail_overflow(runtime);
      return Value(result);
    case BinaryOperator::kSubtract:
      if (__builtin_sub_overflow(a, b, &result)) fail_overflow(runtime);
      return Value(result);
    case BinaryOperator::kMultiply:
      if (__builtin_mul_overflow(a, b, &result)) fail_overflow(runtime);
      return Value(result);
    case BinaryOperator::kDivide:
      if (b == 0) runtime.fail("division by zero");
      return Value(static_cast<double>(a) / static_cast<double>(b));
    case BinaryOperator::kFloorDivide:
    case BinaryOperator::kModulo: {
      if (b == 0) runtime.fail("integer division or modulo by zero");
      if (b == -1) return op == BinaryOperator::kModulo ? Value(int64_t{0}) : negate(runtime, Value(a));
      // Python rounds towards minus infinity, and the remainder has the sign of the divisor.
      const int64_t remainder = a % b;
      const bool adjust = remainder != 0 && (remainder < 0) != (b < 0);
      if (op == BinaryOperator::kModulo) return Value(adjust ? remainder + b : remainder);
      return Value(adjust ? a / b - 1 : a / b);
    }
    case BinaryOperator::kPower:
      if (b >= 0) return Value(integer_power(runtime, a, b));
      if (a == 0) runtime.fail("0.0 cannot be raised to a negative power");
      return Value(std::pow(static_cast<double>(a), static_cast<double>(b)));
  }
  return Value(result);
}

Value float_binary(Runtime& runtime, BinaryOperator op, double a, double b) {
  switch (op) {
    case BinaryOperator::kAdd:
      return Value(a + b);
    case BinaryOperator::kSubtract:
      return Value(a - b);
    case BinaryOperator::kMultiply:
      return Value(a * b);
    case BinaryOperator::kDivide:
      if (b == 0) runtime.fail("float division by zero");
      return Value(a / b);
    case BinaryOperator::kFloorDivide:
    case BinaryOperator::kModulo: {
      if (b == 0) runtime.fail("float floor division or modulo by zero");
      double remainder = std::fmod(a, b);
      double quotient = (a - remainder) / b;
      if (remainder == 0) {
        remainder = std::copysign(0.0, b);
      } else if ((remainder < 0) != (b < 0)) {
        remainder += b;
        quotient -= 1;
      }
      if (op == BinaryOperator::kModulo) return Value(remainder);
      if (quotient == 0) return Value(std::copysign(0.0, a / b));
      const double whole = std::floor(quotient);
      return Value(quotient - whole > 0.5 ? whole + 1 : whole);
    }
    case BinaryOperator::kPower: {
      if (a == 0 && b < 0) runtime.fail("0.0 cannot be raised to a negative power");
      if (a < 0 && std::trunc(b) != b) runtime.fail("complex numbers are not supported");
      const double power = std::pow(a, b);
      if (std::isinf(power) && !std::isinf(a) && !std::isinf(b)) runtime.fail("a number is out of range");
      return Value(power);
    }
  }
  return Value(a);
}

Value repeat(Runtime& runtime, const Value& sequence, int64_t count) {
  if (sequence.is_string()) {
    TextBuilder out(runtime);
    out.repeat(sequence.text(), count);
    return out.value();
  }
  const auto& items = sequence.list().items;
  std::vector<Value> repeated;
  if (count > 0 && !items.empty()) {
    const auto limit = runtime.limits().text / 32 / items.size();
    if (static_cast<uint64_t>(count) > limit) runtime.fail("a repeated list is too long");
    runtime.charge(items.size() * static_cast<uint64_t>(count) * 32);
    for (int64_t i = 0; i < count; ++i) repeated.insert(repeated.end(), items.begin(), items.end());
  }
  return runtime.make_list(std::move(repeated), sequence.list().kind);
}

bool is_repeatable(const Value& value) {
  return value.is_string() || value.is_list(ListKind::kList) || value.is_list(ListKind::kTuple);
}

}  // namespace

void fail_undefined(Runtime& runtime, const Value& undefined) {
  const auto& reason = std::get<Undefined>(undefined.data()).reason;
  runtime.fail(reason ? *reason : "a value is undefined");
}

bool truth(const Value& value) {
  if (value.is_undefined() || value.is_none()) return false;
  if (value.is_bool()) return value.boolean();
  if (value.is_int()) return value.integer() != 0;
  if (value.is_float()) return value.real() != 0;
  if (value.is_string()) return !value.text().empty();
  if (value.is_sequence()) return !value.list().items.empty();
  if (value.is_dict()) return !value.dict().items().empty();
  if (value.is_object()) return value.object()->truth();
  return true;
}

bool equals(Runtime& runtime, const Value& a, const Value& b) {
  runtime.charge(32);
  if (a.as_number() && b.as_number()) return exact(a) == exact(b);
  if (a.data().index() != b.data().index()) return false;
  if (a.is_string()) {
    runtime.charge(a.string().text.size() / 16);
    return a.text() == b.text();
  }
  if (a.is_sequence()) {
    const List& x = a.list();
    const List& y = b.list();
    if (&x == &y) return true;
    return x.kind == y.kind && x.items.size() == y.items.size() &&
           std::equal(x.items.begin(), x.items.end(), y.items.begin(),
                      [&](const Value& p, const Value& q) { return equals(runtime, p, q); });
  }
  if (a.is_dict()) {
    const Dict& x = a.dict();
    const Dict& y = b.dict();
    if (&x == &y) return true;
    if (x.items().size() != y.items().size()) return false;
    return std::all_of(x.items().begin(), x.items().end(), [&](const Dict::Item& item) {
      const Value* other = y.find(item.first);
      return other != nullptr && equals(runtime, item.second, *other);
    });
  }
  if (a.is_object()) return a.object() == b.object();
  if (a.is_generator()) return &a.generator() == &b.generator();
  if (a.is_method())
    return a.method().name == b.method().name && equals(runtime, a.method().self, b.method().self);
  return true;  // None and undefined equal their like
}

bool less(Runtime& runtime, const Value& a, const Value& b) {
  runtime.charge(32);
  if (a.as_number() && b.as_number()) return exact(a) < exact(b);
  if (a.is_string() && b.is_string()) {
    runtime.charge(a.text().size() / 16);
    return a.text() < b.text();
  }
  if (is_repeatable(a) && is_repeatable(b) && a.is_sequence() && b.is_sequence() &&
      a.list().kind == b.list().kind) {
    const auto& x = a.list().items;
    const auto& y = b.list().items;
    for (size_t i = 0; i < x.size() && i < y.size(); ++i) {
      if (!equals(runtime, x[i], y[i])) return less(runtime, x[i], y[i]);
    }
    return x.size() < y.size();
  }
  if (a.is_undefined()) fail_undefined(runtime, a);
  if (b.is_undefined()) fail_undefined(runtime, b);
  runtime.fail("'" + a.type_name() + "' and '" + b.type_name() + "' cannot be ordered");
}

bool less_or_equal(Runtime& runtime, const Value& a, const Value& b) {
  if (a.as_number() && b.as_number()) return exact(a) <= exact(b);
  return !less(runtime, b, a);
}

bool contains(Runtime& runtime, const Value& container, const Value& item) {
  if (container.is_string()) {
    if (item.is_undefined()) fail_undefined(runtime, item);
    if (!item.is_string()) {
      runtime.fail("'in <string>' requires a string as its left operand, not " + item.type_name());
    }
    runtime.charge(container.text().size() * (item.text().size() > 64 ? 4 : 1));
    return find_text(container.text(), item.text(), 0) != std::string_view::npos;
  }
  if (container.is_dict()) {
    if (!hash_key(item)) runtime.fail("unhashable type: '" + item.type_name() + "'");
    return container.dict().find(item) != nullptr;
  }
  const auto items = runtime.iterate(container);
  return std::any_of(items.begin(), items.end(),
                     [&](const Value& other) { return equals(runtime, item, other); });
}

Value binary(Runtime& runtime, BinaryOperator op, const Value& a, const Value& b) {
  if (op == BinaryOperator::kModulo && a.is_string()) return format_percent(runtime, a.text(), b);
  if (a.is_undefined()) fail_undefined(runtime, a);
  if (b.is_undefined()) fail_undefined(runtime, b);
  if (a.as_index() && b.as_index()) return integer_binary(runtime, op, *a.as_index(), *b.as_index());
  if (a.as_number() && b.as_number()) return float_binary(runtime, op, *a.as_number(), *b.as_number());
  if (op == BinaryOperator::kAdd && a.is_string() && b.is_string()) {
    // Adding to escaped text escapes the other part, even where nothing else is escaped on its own.
    const bool markup = a.string().markup || b.string().markup;
    const auto part = [&](const String& string) {
      return markup && !string.markup ? escape_html(runtime, string.text) : string.text;
    };
    TextBuilder out(runtime);
    out.append(part(a.string()));
    out.append(part(b.string()));
    return runtime.make_string(out.take(), markup);
  }
  if (op == BinaryOperator::kAdd && is_repeatable(a) && is_repeatable(b) && !a.is_string() &&
      !b.is_string() && a.list().kind == b.list().kind) {
    runtime.charge((a.list().items.size() + b.list().items.size()) * 8);
    std::vector<Value> items = a.list().items;
    items.insert(items.end(), b.list().items.begin(), b.list().items.end());
    return runtime.make_list(std::move(items), a.list().kind);
  }
  if (op == BinaryOperator::kMultiply && is_repeatable(a) && b.as_index())
    return repeat(runtime, a, *b.as_index());
  if (op == BinaryOperator::kMultiply && is_repeatable(b) && a.as_index())
    return repeat(runtime, b, *a.as_index());
  runtime.fail(std::string("unsupported operand types for ") + symbol(op) + ": '" + a.type_name() +
               "' and '" + b.type_name() + "'");
}

Value negate(Runtime& runtime, const Value& value) {
  if (value.is_undefined()) fail_undefined(runtime, value);
  if (value.is_float()) return Value(-value.real());
  const auto index = value.as_index();
  if (!index) runtime.fail("bad operand type for unary -: '" + value.type_name() + "'");
  if (*index == std::numeric_limits<int64_t>::min()) fail_overflow(runtime);
  return Value(-*index);
}

Value plus(Runtime& runtime, const Value& value) {
  if (value.is_undefined()) fail_undefined(runtime, value);
  if (value.is_float()) return value;
  const auto index = value.as_index();
  if (!index) runtime.fail("bad operand type for unary +: '" + value.type_name() + "'");
  return Value(*index);
}

int64_t length(Runtime& runtime, const Value& value) {
  if (value.is_string()) return static_cast<int64_t>(value.string().length);
  if (value.is_sequence()) return static_cast<int64_t>(value.list().items.size());
  if (value.is_dict()) return static_cast<int64_t>(value.dict().items().size());
  if (value.is_undefined()) return 0;
  if (value.is_object()) {
    if (const auto found = value.object()->attribute(runtime, "length"); found && found->is_int()) {
      return found->integer();
    }
  }
  runtime.fail("object of type '" + value.type_name() + "' has no len()");
}

}  // namespace caldera::text::jinja
