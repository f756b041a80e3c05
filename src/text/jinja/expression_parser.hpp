// Expressions, by recursive descent; the precedences are those of Jinja2.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "text/jinja/lexer.hpp"
#include "text/jinja/runtime.hpp"
#include "text/jinja/syntax_tree.hpp"

namespace caldera::text::jinja {

class ExpressionParser {
 public:
  explicit ExpressionParser(std::vector<Token> tokens) : tokens_(std::move(tokens)) {}

 protected:
  const Token& current() const { return tokens_[position_]; }
  const Token& ahead() const { return tokens_[std::min(position_ + 1, tokens_.size() - 1)]; }
  Token take();
  bool is_operator(std::string_view op) const;
  bool is_name(std::string_view name) const;
  bool skip_operator(std::string_view op);
  bool skip_name(std::string_view name);
  void expect_operator(std::string_view op);
  Token expect(TokenKind kind, const char* what);
  [[noreturn]] void fail(const std::string& why) const;

  ExpressionPtr parse_expression() { return parse_conditional(); }
  /// One expression, or several with commas as a tuple. `with_conditional`: "x if y" may be part of it.
  ExpressionPtr parse_tuple(bool with_conditional = true, bool in_parentheses = false);
  /// The filters after "|", over `input`. With `first_named` the first has no "|" before it.
  ExpressionPtr parse_filters(ExpressionPtr input, bool first_named);
  template <typename Node>
  ExpressionPtr make(int line, Node node);

  /// Counts one level of nesting for as long as it lives. Errors: too deep.
  class Nesting {
   public:
    explicit Nesting(ExpressionParser& parser);
    ~Nesting() { --parser_.depth_; }
    Nesting(const Nesting&) = delete;
    Nesting& operator=(const Nesting&) = delete;

   private:
    ExpressionParser& parser_;
  };

  std::vector<Signature*>
      signatures_;             ///< of the macros around the current token, which may use special names
  int conditional_depth_ = 0;  ///< {% if %} around it, where unknown filters only fail when they are met

 private:
  ExpressionPtr parse_conditional();
  ExpressionPtr parse_or();
  ExpressionPtr parse_and();
  ExpressionPtr parse_not();
  ExpressionPtr parse_comparison();
  ExpressionPtr parse_sum();
  ExpressionPtr parse_concatenation();
  ExpressionPtr parse_product();
  ExpressionPtr parse_power();
  ExpressionPtr parse_unary(bool with_filters);
  ExpressionPtr parse_primary();
  ExpressionPtr parse_name();
  ExpressionPtr parse_string();
  ExpressionPtr parse_list();
  ExpressionPtr parse_dict();
  ExpressionPtr parse_postfix(ExpressionPtr object);
  ExpressionPtr parse_subscript(ExpressionPtr object);
  ExpressionPtr parse_index(ExpressionPtr object);
  ExpressionPtr parse_filter_expression(ExpressionPtr input);
  ExpressionPtr parse_test(ExpressionPtr input);
  CallArguments parse_arguments();
  std::string parse_dotted_name();
  bool ends_tuple() const;

  std::vector<Token> tokens_;
  size_t position_ = 0;
  int depth_ = 0;
  Runtime literals_;
};

}  // namespace caldera::text::jinja
