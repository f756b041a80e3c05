// Runs a syntax tree.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "text/jinja/runtime.hpp"
#include "text/jinja/scope.hpp"
#include "text/jinja/syntax_tree.hpp"

namespace caldera::text::jinja {

class Evaluator {
 public:
  explicit Evaluator(Runtime& runtime);

  /// Sets a variable that the template sees.
  void define(std::string name, Value value);
  /// What the template prints. Errors: kInput.
  std::string render(const Body& body);

 private:
  class Macro;
  friend struct ExpressionVisitor;
  friend struct StatementVisitor;

  /// How a statement ended.
  enum class Flow { kNext, kBreak, kContinue };

  // expressions, in evaluate.cpp
  Value evaluate(const Expression& expression);
  bool compare(Comparison op, const Value& left, const Value& right);
  Arguments evaluate_arguments(const CallArguments& arguments);
  Value call(const Value& callee, const Arguments& arguments);
  Value evaluate_filter_block(const Expression& filter, std::string text);

  // statements, in execute.cpp
  Flow execute(const Body& body);
  Flow execute(const Statement& statement);
  Flow execute_for(const For& node);
  Flow execute_if(const If& node);
  void execute_call(const CallBlock& node);
  void assign(const Target& target, const Value& value);
  /// What `body` prints in a scope of its own.
  std::string capture(const Body& body);
  Value make_macro(const std::shared_ptr<const MacroDefinition>& definition);
  Value call_macro(const MacroDefinition& definition, Scope* closure, const Arguments& arguments);
  void bind_parameters(const MacroDefinition& definition, const Arguments& arguments);

  /// Enters a scope for as long as it lives.
  class Entered {
   public:
    Entered(Evaluator& evaluator, Scope* parent);
    ~Entered();
    Entered(const Entered&) = delete;
    Entered& operator=(const Entered&) = delete;

   private:
    Evaluator& evaluator_;
    Scope* outer_;
  };
  /// Sends what is printed elsewhere for as long as it lives.
  class Redirected {
   public:
    explicit Redirected(Evaluator& evaluator)
        : evaluator_(evaluator), text_(evaluator.runtime_), outer_(evaluator.out_) {
      evaluator.out_ = &text_;
    }
    ~Redirected() { evaluator_.out_ = outer_; }
    Redirected(const Redirected&) = delete;
    Redirected& operator=(const Redirected&) = delete;
    std::string take() { return text_.take(); }

   private:
    Evaluator& evaluator_;
    TextBuilder text_;
    TextBuilder* outer_;
  };

  Runtime& runtime_;
  ScopePool scopes_;
  Scope* scope_ = nullptr;
  TextBuilder* out_ = nullptr;
  std::vector<Value> captured_;  // of the filter blocks being evaluated, innermost last
};

}  // namespace caldera::text::jinja
