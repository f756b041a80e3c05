// The syntax tree of a template.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "text/jinja/operators.hpp"
#include "text/jinja/value.hpp"

namespace caldera::text::jinja {

struct Expression;
using ExpressionPtr = std::unique_ptr<Expression>;

struct Literal {
  Value value;
};
struct Name {
  std::string name;
};
/// What a {% filter %} or {% set %} block has captured: the innermost input of its filters.
struct Captured {};
struct ListDisplay {
  std::vector<ExpressionPtr> items;
  bool tuple = false;
};
struct DictDisplay {
  std::vector<std::pair<ExpressionPtr, ExpressionPtr>> items;
};
struct Attribute {
  ExpressionPtr object;
  std::string name;
};
struct Item {
  ExpressionPtr object, key;
};
struct Slice {
  ExpressionPtr object, start, stop, step;  // those left out are null
};
struct CallArguments {
  std::vector<ExpressionPtr> positional;
  std::vector<std::pair<std::string, ExpressionPtr>> named;
  ExpressionPtr rest;        // *args, or null
  ExpressionPtr named_rest;  // **kwargs, or null
};
struct Call {
  ExpressionPtr callee;
  CallArguments arguments;
};
struct FilterCall {
  ExpressionPtr input;
  std::string name;
  CallArguments arguments;
};
struct TestCall {
  ExpressionPtr input;
  std::string name;
  CallArguments arguments;
  bool negated = false;
};
enum class UnaryOperator { kNot, kNegate, kPlus };
struct Unary {
  UnaryOperator op;
  ExpressionPtr operand;
};
struct Binary {
  BinaryOperator op;
  ExpressionPtr left, right;
};
struct Concatenation {
  std::vector<ExpressionPtr> parts;
};
enum class Comparison { kEqual, kNotEqual, kLess, kLessEqual, kGreater, kGreaterEqual, kIn, kNotIn };
struct ComparisonChain {
  ExpressionPtr first;
  std::vector<std::pair<Comparison, ExpressionPtr>> rest;
};
struct Logical {
  bool is_and;
  ExpressionPtr left, right;
};
struct Conditional {
  ExpressionPtr condition, then, otherwise;  // `otherwise` may be null
};

struct Expression {
  using Node =
      std::variant<Literal, Name, Captured, ListDisplay, DictDisplay, Attribute, Item, Slice, Call,
                   FilterCall, TestCall, Unary, Binary, Concatenation, ComparisonChain, Logical, Conditional>;
  int line = 1;
  int height = 1;  ///< of the tree below, which the parser bounds
  Node node;
};

/// The greatest height of the expressions that a node holds; 0 if it holds none.
int height_below(const Expression::Node& node);

/// What can stand left of "=": a name, an attribute of a namespace, or several of them.
struct Target {
  std::string name;
  std::string attribute;      // of the namespace `name`, where not empty
  std::vector<Target> items;  // where not empty, the value is unpacked into them
};

struct Statement;
using Body = std::vector<Statement>;

struct Text {
  std::string text;
};
struct Print {
  ExpressionPtr value;
};
/// {% do %}: evaluates and prints nothing.
struct Do {
  ExpressionPtr value;
};
struct If {
  std::vector<std::pair<ExpressionPtr, Body>> branches;
  Body otherwise;
};
struct For {
  Target target;
  ExpressionPtr iterable;
  ExpressionPtr condition;  // or null
  Body body;
  Body otherwise;
};
struct Assign {
  Target target;
  ExpressionPtr value;
};
struct AssignBlock {
  Target target;
  ExpressionPtr filter;  // applied to what the body printed; Captured if there is none
  Body body;
};
struct Signature {
  std::vector<std::pair<std::string, ExpressionPtr>> parameters;  // with the default, or null
  bool uses_caller = false, uses_varargs = false, uses_kwargs = false;
};
struct MacroDefinition {
  std::string name;
  Signature signature;
  Body body;
};
struct CallBlock {
  ExpressionPtr call;
  std::shared_ptr<const MacroDefinition> caller;
};
struct FilterBlock {
  ExpressionPtr filter;
  Body body;
};
/// {% with %}; without assignments a plain scope, such as {% generation %}.
struct With {
  std::vector<std::pair<Target, ExpressionPtr>> assignments;
  Body body;
};
struct Break {};
struct Continue {};

struct Statement {
  using Node =
      std::variant<Text, Print, Do, If, For, Assign, AssignBlock, std::shared_ptr<const MacroDefinition>,
                   CallBlock, FilterBlock, With, Break, Continue>;
  int line = 1;
  Node node;
};

}  // namespace caldera::text::jinja
