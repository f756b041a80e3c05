#include "text/jinja/expression_parser.hpp"

#include <algorithm>
#include <array>

#include "text/jinja/filters.hpp"
#include "text/jinja/template_error.hpp"
#include "text/jinja/tests.hpp"

namespace caldera::text::jinja {
namespace {

constexpr int kMaxNesting = 100;
constexpr int kMaxHeight = 200;

}  // namespace

template <typename Node>
ExpressionPtr ExpressionParser::make(int line, Node node) {
  auto made = std::make_unique<Expression>();
  made->line = line;
  made->node = std::move(node);
  made->height = height_below(made->node) + 1;
  if (made->height > kMaxHeight) fail_syntax(line, "an expression is nested too deeply");
  return made;
}

template ExpressionPtr ExpressionParser::make(int line, Captured node);

ExpressionParser::Nesting::Nesting(ExpressionParser& parser) : parser_(parser) {
  if (parser.depth_ >= kMaxNesting) parser.fail("the template is nested too deeply");
  ++parser.depth_;
}

Token ExpressionParser::take() {
  Token token = tokens_[position_];
  if (position_ + 1 < tokens_.size()) ++position_;
  return token;
}

bool ExpressionParser::is_operator(std::string_view op) const {
  return current().kind == TokenKind::kOperator && current().text == op;
}

bool ExpressionParser::is_name(std::string_view name) const {
  return current().kind == TokenKind::kName && current().text == name;
}

bool ExpressionParser::skip_operator(std::string_view op) {
  const bool found = is_operator(op);
  if (found) take();
  return found;
}

bool ExpressionParser::skip_name(std::string_view name) {
  const bool found = is_name(name);
  if (found) take();
  return found;
}

void ExpressionParser::expect_operator(std::string_view op) {
  if (!skip_operator(op)) fail("expected '" + std::string(op) + "'");
}

Token ExpressionParser::expect(TokenKind kind, const char* what) {
  if (current().kind != kind) fail(std::string("expected ") + what);
  return take();
}

void ExpressionParser::fail(const std::string& why) const {
  const bool ended = current().kind == TokenKind::kEnd;
  const std::string found = ended                    ? "the template ends"
                            : current().text.empty() ? "a tag ends"
                                                     : "found '" + current().text.substr(0, 40) + "'";
  fail_syntax(current().line, why + ", but " + found);
}

ExpressionPtr ExpressionParser::parse_conditional() {
  const Nesting nesting(*this);
  int line = current().line;
  auto value = parse_or();
  while (skip_name("if")) {
    auto condition = parse_or();
    ExpressionPtr otherwise = skip_name("else") ? parse_conditional() : nullptr;
    value = make(line, Conditional{std::move(condition), std::move(value), std::move(otherwise)});
    line = current().line;
  }
  return value;
}

ExpressionPtr ExpressionParser::parse_or() {
  auto left = parse_and();
  while (is_name("or")) {
    const int line = take().line;
    left = make(line, Logical{false, std::move(left), parse_and()});
  }
  return left;
}

ExpressionPtr ExpressionParser::parse_and() {
  auto left = parse_not();
  while (is_name("and")) {
    const int line = take().line;
    left = make(line, Logical{true, std::move(left), parse_not()});
  }
  return left;
}

ExpressionPtr ExpressionParser::parse_not() {
  if (!is_name("not")) return parse_comparison();
  const Nesting nesting(*this);
  const int line = take().line;
  return make(line, Unary{UnaryOperator::kNot, parse_not()});
}

ExpressionPtr ExpressionParser::parse_comparison() {
  static constexpr std::array<std::pair<std::string_view, Comparison>, 6> kOperators = {{
      {"==", Comparison::kEqual},
      {"!=", Comparison::kNotEqual},
      {"<", Comparison::kLess},
      {"<=", Comparison::kLessEqual},
      {">", Comparison::kGreater},
      {">=", Comparison::kGreaterEqual},
  }};
  const int line = current().line;
  ComparisonChain chain{parse_sum(), {}};
  while (true) {
    const auto found = std::find_if(kOperators.begin(), kOperators.end(),
                                    [&](const auto& known) { return is_operator(known.first); });
    if (found != kOperators.end()) {
      take();
      chain.rest.emplace_back(found->second, parse_sum());
    } else if (skip_name("in")) {
      chain.rest.emplace_back(Comparison::kIn, parse_sum());
    } else if (is_name("not") && ahead().kind == TokenKind::kName && ahead().text == "in") {
      take();
      take();
      chain.rest.emplace_back(Comparison::kNotIn, parse_sum());
    } else {
      break;
    }
  }
  if (chain.rest.empty()) return std::move(chain.first);
  return make(line, std::move(chain));
}

ExpressionPtr ExpressionParser::parse_sum() {
  auto left = parse_concatenation();
  while (is_operator("+") || is_operator("-")) {
    const Token op = take();
    const auto kind = op.text == "+" ? BinaryOperator::kAdd : BinaryOperator::kSubtract;
    left = make(op.line, Binary{kind, std::move(left), parse_concatenation()});
  }
  return left;
}

ExpressionPtr ExpressionParser::parse_concatenation() {
  const int line = current().line;
  Concatenation parts;
  parts.parts.push_back(parse_product());
  while (skip_operator("~")) parts.parts.push_back(parse_product());
  if (parts.parts.size() == 1) return std::move(parts.parts.front());
  return make(line, std::move(parts));
}

ExpressionPtr ExpressionParser::parse_product() {
  auto left = parse_power();
  while (true) {
    BinaryOperator kind{};
    if (is_operator("*")) {
      kind = BinaryOperator::kMultiply;
    } else if (is_operator("/")) {
      kind = BinaryOperator::kDivide;
    } else if (is_operator("//")) {
      kind = BinaryOperator::kFloorDivide;
    } else if (is_operator("%")) {
      kind = BinaryOperator::kModulo;
    } else {
      return left;
    }
    const int line = take().line;
    left = make(line, Binary{kind, std::move(left), parse_power()});
  }
}

ExpressionPtr ExpressionParser::parse_power() {
  auto left = parse_unary(true);
  while (is_operator("**")) {
    const int line = take().line;
    // Unlike Python's, Jinja2's power binds to the left.
    left = make(line, Binary{BinaryOperator::kPower, std::move(left), parse_unary(true)});
  }
  return left;
}

ExpressionPtr ExpressionParser::parse_unary(bool with_filters) {
  const Nesting nesting(*this);
  ExpressionPtr value;
  if (is_operator("-") || is_operator("+")) {
    const Token op = take();
    const auto kind = op.text == "-" ? UnaryOperator::kNegate : UnaryOperator::kPlus;
    value = make(op.line, Unary{kind, parse_unary(false)});
  } else {
    value = parse_primary();
  }
  value = parse_postfix(std::move(value));
  return with_filters ? parse_filter_expression(std::move(value)) : std::move(value);
}

ExpressionPtr ExpressionParser::parse_primary() {
  const int line = current().line;
  switch (current().kind) {
    case TokenKind::kName:
      return parse_name();
    case TokenKind::kString:
      return parse_string();
    case TokenKind::kInteger:
      return make(line, Literal{Value(take().integer)});
    case TokenKind::kFloat:
      return make(line, Literal{Value(take().real)});
    default:
      break;
  }
  if (skip_operator("(")) {
    auto value = parse_tuple(true, true);
    expect_operator(")");
    return value;
  }
  if (is_operator("[")) return parse_list();
  if (is_operator("{")) return parse_dict();
  fail("expected an expression");
}

ExpressionPtr ExpressionParser::parse_name() {
  const Token token = take();
  if (token.text == "true" || token.text == "True") return make(token.line, Literal{Value(true)});
  if (token.text == "false" || token.text == "False") return make(token.line, Literal{Value(false)});
  if (token.text == "none" || token.text == "None") return make(token.line, Literal{Value(None{})});
  for (Signature* signature : signatures_) {
    signature->uses_caller = signature->uses_caller || token.text == "caller";
    signature->uses_varargs = signature->uses_varargs || token.text == "varargs";
    signature->uses_kwargs = signature->uses_kwargs || token.text == "kwargs";
  }
  return make(token.line, Name{token.text});
}

ExpressionPtr ExpressionParser::parse_string() {
  const int line = current().line;
  std::string text;
  while (current().kind == TokenKind::kString) text += take().text;
  return make(line, Literal{literals_.make_string(std::move(text))});
}

bool ExpressionParser::ends_tuple() const {
  return current().kind == TokenKind::kVariableEnd || current().kind == TokenKind::kBlockEnd ||
         is_operator(")");
}

ExpressionPtr ExpressionParser::parse_tuple(bool with_conditional, bool in_parentheses) {
  const int line = current().line;
  ListDisplay tuple;
  tuple.tuple = true;
  bool comma = false;
  while (!ends_tuple() && !(tuple.items.size() > 0 && !comma)) {
    tuple.items.push_back(with_conditional ? parse_conditional() : parse_or());
    comma = skip_operator(",");
  }
  if (tuple.items.size() == 1 && !comma) return std::move(tuple.items.front());
  if (tuple.items.empty() && !in_parentheses) fail("expected an expression");
  return make(line, std::move(tuple));
}

ExpressionPtr ExpressionParser::parse_list() {
  const int line = current().line;
  expect_operator("[");
  ListDisplay list;
  while (!is_operator("]")) {
    if (!list.items.empty()) {
      expect_operator(",");
      if (is_operator("]")) break;
    }
    list.items.push_back(parse_expression());
  }
  expect_operator("]");
  return make(line, std::move(list));
}

ExpressionPtr ExpressionParser::parse_dict() {
  const int line = current().line;
  expect_operator("{");
  DictDisplay dict;
  while (!is_operator("}")) {
    if (!dict.items.empty()) {
      expect_operator(",");
      if (is_operator("}")) break;
    }
    auto key = parse_expression();
    expect_operator(":");
    dict.items.emplace_back(std::move(key), parse_expression());
  }
  expect_operator("}");
  return make(line, std::move(dict));
}

ExpressionPtr ExpressionParser::parse_postfix(ExpressionPtr object) {
  while (true) {
    if (is_operator(".") || is_operator("[")) {
      object = parse_subscript(std::move(object));
    } else if (is_operator("(")) {
      const int line = current().line;
      object = make(line, Call{std::move(object), parse_arguments()});
    } else {
      return object;
    }
  }
}

ExpressionPtr ExpressionParser::parse_subscript(ExpressionPtr object) {
  if (is_operator("[")) return parse_index(std::move(object));
  const int line = take().line;
  if (current().kind == TokenKind::kName) return make(line, Attribute{std::move(object), take().text});
  if (current().kind != TokenKind::kInteger) fail("expected a name or a number");
  auto key = make(line, Literal{Value(take().integer)});
  return make(line, Item{std::move(object), std::move(key)});
}

ExpressionPtr ExpressionParser::parse_index(ExpressionPtr object) {
  const int line = take().line;
  ExpressionPtr bounds[3];
  int colons = 0;
  while (!is_operator("]")) {
    if (is_operator(":") && colons < 2) {
      take();
      ++colons;
    } else {
      if (bounds[colons]) fail("expected ']'");
      bounds[colons] = parse_expression();
      if (is_operator(",")) fail("several subscripts are not supported: expected ']'");
    }
  }
  expect_operator("]");
  if (colons == 0) {
    if (!bounds[0]) fail("expected a subscript");
    return make(line, Item{std::move(object), std::move(bounds[0])});
  }
  return make(line,
              Slice{std::move(object), std::move(bounds[0]), std::move(bounds[1]), std::move(bounds[2])});
}

CallArguments ExpressionParser::parse_arguments() {
  expect_operator("(");
  CallArguments arguments;
  bool first = true;
  while (!is_operator(")")) {
    if (!first) {
      expect_operator(",");
      if (is_operator(")")) break;
    }
    first = false;
    if (is_operator("*") && !arguments.rest && !arguments.named_rest) {
      take();
      arguments.rest = parse_expression();
    } else if (is_operator("**") && !arguments.named_rest) {
      take();
      arguments.named_rest = parse_expression();
    } else if (current().kind == TokenKind::kName && ahead().kind == TokenKind::kOperator &&
               ahead().text == "=" && !arguments.named_rest) {
      std::string name = take().text;
      take();
      arguments.named.emplace_back(std::move(name), parse_expression());
    } else {
      if (arguments.rest || arguments.named_rest || !arguments.named.empty())
        fail("arguments are out of order");
      arguments.positional.push_back(parse_expression());
    }
  }
  expect_operator(")");
  return arguments;
}

std::string ExpressionParser::parse_dotted_name() {
  std::string name = expect(TokenKind::kName, "a name").text;
  while (skip_operator(".")) name += "." + expect(TokenKind::kName, "a name").text;
  return name;
}

ExpressionPtr ExpressionParser::parse_filter_expression(ExpressionPtr input) {
  while (true) {
    if (is_operator("|")) {
      input = parse_filters(std::move(input), false);
    } else if (is_name("is")) {
      input = parse_test(std::move(input));
    } else if (is_operator("(")) {
      const int line = current().line;
      input = make(line, Call{std::move(input), parse_arguments()});
    } else {
      return input;
    }
  }
}

ExpressionPtr ExpressionParser::parse_filters(ExpressionPtr input, bool first_named) {
  while (first_named || is_operator("|")) {
    if (!first_named) take();
    first_named = false;
    const int line = current().line;
    std::string name = parse_dotted_name();
    if (conditional_depth_ == 0 && find_filter(name) == nullptr)
      fail_syntax(line, "no filter is named '" + name + "'");
    CallArguments arguments;
    if (is_operator("(")) arguments = parse_arguments();
    input = make(line, FilterCall{std::move(input), std::move(name), std::move(arguments)});
  }
  return input;
}

ExpressionPtr ExpressionParser::parse_test(ExpressionPtr input) {
  const int line = take().line;
  const bool negated = skip_name("not");
  std::string name = parse_dotted_name();
  if (conditional_depth_ == 0 && find_test(name) == nullptr)
    fail_syntax(line, "no test is named '" + name + "'");
  CallArguments arguments;
  const auto kind = current().kind;
  const bool operand = kind == TokenKind::kName || kind == TokenKind::kString ||
                       kind == TokenKind::kInteger || kind == TokenKind::kFloat || is_operator("[") ||
                       is_operator("{");
  if (is_operator("(")) {
    arguments = parse_arguments();
  } else if (operand && !is_name("else") && !is_name("or") && !is_name("and")) {
    if (is_name("is")) fail("tests with 'is' cannot be chained");
    auto argument = parse_primary();
    arguments.positional.push_back(parse_postfix(std::move(argument)));
  }
  return make(line, TestCall{std::move(input), std::move(name), std::move(arguments), negated});
}

}  // namespace caldera::text::jinja
