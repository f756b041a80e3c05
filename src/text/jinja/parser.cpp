#include "text/jinja/parser.hpp"

#include <algorithm>
#include <initializer_list>

#include "text/jinja/expression_parser.hpp"
#include "text/jinja/template_error.hpp"

namespace caldera::text::jinja {
namespace {

class StatementParser : public ExpressionParser {
 public:
  using ExpressionParser::ExpressionParser;

  Body parse_template() { return parse_body({}); }

 private:
  using Names = std::initializer_list<std::string_view>;

  // Statements up to a tag whose name is one of `ends`, at which it stops; up to the end where there are
  // none.
  Body parse_body(Names ends) {
    const Nesting nesting(*this);
    Body body;
    while (true) {
      const int line = current().line;
      switch (current().kind) {
        case TokenKind::kText:
          body.push_back({line, Text{take().text}});
          break;
        case TokenKind::kVariableBegin: {
          take();
          auto value = parse_tuple();
          expect(TokenKind::kVariableEnd, "'}}'");
          body.push_back({line, Print{std::move(value)}});
          break;
        }
        case TokenKind::kBlockBegin:
          take();
          if (std::any_of(ends.begin(), ends.end(), [&](std::string_view end) { return is_name(end); }))
            return body;
          parse_statement(body);
          expect(TokenKind::kBlockEnd, "'%}'");
          break;
        case TokenKind::kEnd:
          if (ends.size() == 0) return body;
          fail("expected {% " + std::string(*(ends.end() - 1)) + " %}");
        default:
          fail("expected text or a tag");
      }
    }
  }

  // The body of a statement whose tag is about to close, and the last of `ends` is taken too.
  Body parse_block(std::string_view end) {
    Body body = parse_block_until({end});
    take();
    return body;
  }

  Body parse_block_until(Names ends) {
    skip_operator(":");
    expect(TokenKind::kBlockEnd, "'%}'");
    return parse_body(ends);
  }

  void parse_statement(Body& body) {
    const Token tag = expect(TokenKind::kName, "the name of a tag");
    const auto add = [&](auto node) { body.push_back({tag.line, std::move(node)}); };
    if (tag.text == "if") {
      add(parse_if());
    } else if (tag.text == "for") {
      add(parse_for());
    } else if (tag.text == "set") {
      parse_set(tag.line, body);
    } else if (tag.text == "macro") {
      add(parse_macro());
    } else if (tag.text == "call") {
      add(parse_call());
    } else if (tag.text == "filter") {
      auto filter = parse_filters(make(tag.line, Captured{}), true);
      add(FilterBlock{std::move(filter), parse_block("endfilter")});
    } else if (tag.text == "with") {
      add(parse_with());
    } else if (tag.text == "generation") {
      add(With{{}, parse_block("endgeneration")});
    } else if (tag.text == "print") {
      do {
        add(Print{parse_expression()});
      } while (skip_operator(","));
    } else if (tag.text == "do") {
      add(Do{parse_tuple()});
    } else if (tag.text == "break" || tag.text == "continue") {
      if (loop_depth_ == 0) fail_syntax(tag.line, "'" + tag.text + "' outside of a loop");
      if (tag.text == "break") {
        add(Break{});
      } else {
        add(Continue{});
      }
    } else {
      fail_syntax(tag.line, "the tag '" + tag.text + "' is unknown, not supported, or out of place");
    }
  }

  If parse_if() {
    If node;
    ++conditional_depth_;
    while (true) {
      auto condition = parse_tuple(false);
      auto then = parse_block_until({"elif", "else", "endif"});
      node.branches.emplace_back(std::move(condition), std::move(then));
      const Token end = take();
      if (end.text == "elif") continue;
      if (end.text == "else") node.otherwise = parse_block("endif");
      break;
    }
    --conditional_depth_;
    return node;
  }

  For parse_for() {
    For node;
    node.target = parse_target();
    if (!skip_name("in")) fail("expected 'in'");
    node.iterable = parse_tuple(false);
    if (skip_name("if")) node.condition = parse_expression();
    if (is_name("recursive")) fail("recursive loops are not supported");
    ++loop_depth_;
    node.body = parse_block_until({"else", "endfor"});
    --loop_depth_;
    if (take().text == "else") node.otherwise = parse_block("endfor");
    return node;
  }

  void parse_set(int line, Body& body) {
    Target target = parse_target();
    if (skip_operator("=")) {
      body.push_back({line, Assign{std::move(target), parse_tuple()}});
      return;
    }
    auto filter = parse_filters(make(line, Captured{}), false);
    body.push_back({line, AssignBlock{std::move(target), std::move(filter), parse_block("endset")}});
  }

  With parse_with() {
    With node;
    while (current().kind != TokenKind::kBlockEnd) {
      if (!node.assignments.empty()) expect_operator(",");
      Target target = parse_target();
      expect_operator("=");
      node.assignments.emplace_back(std::move(target), parse_expression());
    }
    node.body = parse_block("endwith");
    return node;
  }

  void parse_signature(Signature& signature) {
    expect_operator("(");
    while (!is_operator(")")) {
      if (!signature.parameters.empty()) expect_operator(",");
      std::string name = expect(TokenKind::kName, "the name of a parameter").text;
      ExpressionPtr otherwise;
      if (skip_operator("=")) {
        otherwise = parse_expression();
      } else if (!signature.parameters.empty() && signature.parameters.back().second) {
        fail("a parameter without default follows one that has a default");
      }
      signature.parameters.emplace_back(std::move(name), std::move(otherwise));
    }
    expect_operator(")");
  }

  std::shared_ptr<const MacroDefinition> parse_macro() {
    auto macro = std::make_shared<MacroDefinition>();
    macro->name = expect(TokenKind::kName, "the name of the macro").text;
    parse_macro_rest(*macro, true, "endmacro");
    return macro;
  }

  void parse_macro_rest(MacroDefinition& macro, bool signature, std::string_view end) {
    signatures_.push_back(&macro.signature);
    if (signature) parse_signature(macro.signature);
    macro.body = parse_macro_body(end);
    signatures_.pop_back();
  }

  // A loop around the definition is not one that its body could leave.
  Body parse_macro_body(std::string_view end) {
    const int loops = std::exchange(loop_depth_, 0);
    Body body = parse_block(end);
    loop_depth_ = loops;
    return body;
  }

  CallBlock parse_call() {
    auto caller = std::make_shared<MacroDefinition>();
    caller->name = "caller";
    if (is_operator("(")) parse_signature(caller->signature);
    CallBlock node;
    const int line = current().line;
    node.call = parse_expression();
    if (!std::holds_alternative<Call>(node.call->node)) fail_syntax(line, "{% call %} needs a call");
    parse_macro_rest(*caller, false, "endcall");
    node.caller = std::move(caller);
    return node;
  }

  Target parse_target() {
    Target first = parse_single_target();
    if (!is_operator(",")) return first;
    Target tuple;
    tuple.items.push_back(std::move(first));
    while (skip_operator(",")) {
      if (is_name("in") || is_operator("=") || current().kind == TokenKind::kBlockEnd) break;
      tuple.items.push_back(parse_single_target());
    }
    return tuple;
  }

  Target parse_single_target() {
    const Nesting nesting(*this);
    Target target;
    if (skip_operator("(")) {
      target = parse_target();
      expect_operator(")");
      return target;
    }
    target.name = expect(TokenKind::kName, "a name to assign to").text;
    for (const std::string_view constant : {"true", "false", "none", "True", "False", "None"}) {
      if (target.name == constant) fail("cannot assign to '" + target.name + "'");
    }
    if (skip_operator(".")) target.attribute = expect(TokenKind::kName, "an attribute").text;
    return target;
  }

  int loop_depth_ = 0;
};

}  // namespace

Body parse(std::string_view source) {
  return StatementParser(tokenize(source)).parse_template();
}

}  // namespace caldera::text::jinja
