// Expressions: see evaluator.hpp.
#include "text/jinja/evaluator.hpp"
#include "text/jinja/filters.hpp"
#include "text/jinja/methods.hpp"
#include "text/jinja/operators.hpp"
#include "text/jinja/python_text.hpp"
#include "text/jinja/tests.hpp"

namespace caldera::text::jinja {

struct ExpressionVisitor {
  Evaluator& evaluator;
  Runtime& runtime;
  int line;

  Value evaluate(const ExpressionPtr& expression) const { return evaluator.evaluate(*expression); }
  Value evaluate_or_none(const ExpressionPtr& expression) const {
    return expression ? evaluate(expression) : None{};
  }
  // The operands may have moved the line on.
  Runtime& here() const {
    runtime.line = line;
    return runtime;
  }

  Value operator()(const Literal& node) const { return node.value; }

  Value operator()(const Name& node) const {
    if (const Value* found = find_variable(evaluator.scope_, node.name)) return *found;
    return runtime.make_undefined("'" + node.name + "' is undefined");
  }

  Value operator()(const Captured&) const { return evaluator.captured_.back(); }

  Value operator()(const ListDisplay& node) const {
    std::vector<Value> items;
    for (const auto& item : node.items) items.push_back(evaluate(item));
    return here().make_list(std::move(items), node.tuple ? ListKind::kTuple : ListKind::kList);
  }

  Value operator()(const DictDisplay& node) const {
    Dict dict;
    for (const auto& [key_node, value_node] : node.items) {
      const Value key = evaluate(key_node);
      runtime.set(dict, key, evaluate(value_node));
    }
    return here().make_dict(std::move(dict));
  }

  Value operator()(const Attribute& node) const {
    const Value object = evaluate(node.object);
    return get_attribute(here(), object, node.name);
  }

  Value operator()(const Item& node) const {
    const Value object = evaluate(node.object);
    const Value key = evaluate(node.key);
    return get_item(here(), object, key);
  }

  Value operator()(const Slice& node) const {
    const Value object = evaluate(node.object);
    const Value start = evaluate_or_none(node.start);
    const Value stop = evaluate_or_none(node.stop);
    const Value step = evaluate_or_none(node.step);
    return slice(here(), object, start, stop, step);
  }

  Value operator()(const Call& node) const {
    const Value callee = evaluate(node.callee);
    const Arguments arguments = evaluator.evaluate_arguments(node.arguments);
    runtime.line = line;
    return evaluator.call(callee, arguments);
  }

  Value operator()(const FilterCall& node) const {
    const Value input = evaluate(node.input);
    const Arguments arguments = evaluator.evaluate_arguments(node.arguments);
    const FilterFunction filter = find_filter(node.name);
    if (filter == nullptr) here().fail("no filter is named '" + node.name + "'");
    return filter(here(), input, arguments);
  }

  Value operator()(const TestCall& node) const {
    const Value input = evaluate(node.input);
    const Arguments arguments = evaluator.evaluate_arguments(node.arguments);
    const TestFunction test = find_test(node.name);
    if (test == nullptr) here().fail("no test is named '" + node.name + "'");
    return Value(test(here(), input, arguments) != node.negated);
  }

  Value operator()(const Unary& node) const {
    const Value operand = evaluate(node.operand);
    if (node.op == UnaryOperator::kNot) return Value(!truth(operand));
    return node.op == UnaryOperator::kNegate ? negate(here(), operand) : plus(here(), operand);
  }

  Value operator()(const Binary& node) const {
    const Value left = evaluate(node.left);
    const Value right = evaluate(node.right);
    return binary(here(), node.op, left, right);
  }

  Value operator()(const Concatenation& node) const {
    TextBuilder out(runtime);
    for (const auto& part : node.parts) append_str(out, evaluate(part));
    return out.value();
  }

  Value operator()(const ComparisonChain& node) const {
    Value left = evaluate(node.first);
    for (const auto& [op, operand] : node.rest) {
      Value right = evaluate(operand);
      runtime.line = line;
      if (!evaluator.compare(op, left, right)) return Value(false);
      left = std::move(right);
    }
    return Value(true);
  }

  Value operator()(const Logical& node) const {
    Value left = evaluate(node.left);
    return truth(left) == node.is_and ? evaluate(node.right) : left;
  }

  Value operator()(const Conditional& node) const {
    if (truth(evaluate(node.condition))) return evaluate(node.then);
    if (node.otherwise) return evaluate(node.otherwise);
    return here().make_undefined("the inline if has no else, and its condition is false");
  }
};

Value Evaluator::evaluate(const Expression& expression) {
  const Runtime::Nesting nesting(runtime_);
  runtime_.charge(16);
  runtime_.line = expression.line;
  return std::visit(ExpressionVisitor{*this, runtime_, expression.line}, expression.node);
}

bool Evaluator::compare(Comparison op, const Value& left, const Value& right) {
  switch (op) {
    case Comparison::kEqual:
      return equals(runtime_, left, right);
    case Comparison::kNotEqual:
      return !equals(runtime_, left, right);
    case Comparison::kLess:
      return less(runtime_, left, right);
    case Comparison::kGreater:
      return less(runtime_, right, left);
    case Comparison::kLessEqual:
      return less_or_equal(runtime_, left, right);
    case Comparison::kGreaterEqual:
      return less_or_equal(runtime_, right, left);
    case Comparison::kIn:
      return contains(runtime_, right, left);
    case Comparison::kNotIn:
      return !contains(runtime_, right, left);
  }
  return false;
}

Arguments Evaluator::evaluate_arguments(const CallArguments& arguments) {
  Arguments out;
  for (const auto& value : arguments.positional) out.positional.push_back(evaluate(*value));
  for (const auto& [name, value] : arguments.named) out.named.emplace_back(name, evaluate(*value));
  if (arguments.rest) {
    for (const Value& value : runtime_.iterate(evaluate(*arguments.rest))) out.positional.push_back(value);
  }
  if (arguments.named_rest) {
    const Value rest = evaluate(*arguments.named_rest);
    if (!rest.is_dict()) runtime_.fail("what follows ** must be a mapping");
    for (const auto& [key, value] : rest.dict().items()) {
      if (!key.is_string()) runtime_.fail("the keys of what follows ** must be strings");
      runtime_.charge(key.text().size() + 32);
      out.named.emplace_back(key.text(), value);
    }
  }
  return out;
}

Value Evaluator::call(const Value& callee, const Arguments& arguments) {
  if (callee.is_undefined()) fail_undefined(runtime_, callee);
  if (callee.is_method()) return call_method(runtime_, callee.method(), arguments);
  if (callee.is_object()) return callee.object()->call(runtime_, arguments);
  runtime_.fail("'" + callee.type_name() + "' object is not callable");
}

Value Evaluator::evaluate_filter_block(const Expression& filter, std::string text) {
  captured_.push_back(runtime_.make_string(std::move(text)));
  Value value = evaluate(filter);
  captured_.pop_back();
  return value;
}

}  // namespace caldera::text::jinja
