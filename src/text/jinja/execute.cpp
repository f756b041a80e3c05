// Statements and macros: see evaluator.hpp.
#include <algorithm>

#include "text/jinja/evaluator.hpp"
#include "text/jinja/globals.hpp"
#include "text/jinja/objects.hpp"
#include "text/jinja/operators.hpp"
#include "text/jinja/python_text.hpp"

namespace caldera::text::jinja {

class Evaluator::Macro : public Object {
 public:
  Macro(Evaluator& evaluator, std::shared_ptr<const MacroDefinition> definition, Scope* closure)
      : evaluator_(evaluator), definition_(std::move(definition)), closure_(closure) {}

  std::string type_name() const override { return "Macro"; }
  bool callable() const override { return true; }
  Value call(Runtime&, const Arguments& arguments) override {
    return evaluator_.call_macro(*definition_, closure_, arguments);
  }
  std::optional<Value> attribute(Runtime& runtime, std::string_view name) override {
    const Signature& signature = definition_->signature;
    if (name == "name") return runtime.make_string(definition_->name);
    if (name == "caller") return Value(signature.uses_caller);
    if (name == "catch_kwargs") return Value(signature.uses_kwargs);
    if (name == "catch_varargs") return Value(signature.uses_varargs);
    if (name != "arguments") return std::nullopt;
    std::vector<Value> names;
    for (const auto& parameter : signature.parameters) names.push_back(runtime.make_string(parameter.first));
    return runtime.make_list(std::move(names), ListKind::kTuple);
  }

 private:
  Evaluator& evaluator_;
  std::shared_ptr<const MacroDefinition> definition_;
  Scope* closure_;
};

Evaluator::Entered::Entered(Evaluator& evaluator, Scope* parent)
    : evaluator_(evaluator), outer_(evaluator.scope_) {
  evaluator.scope_ = evaluator.scopes_.enter(parent);
}

Evaluator::Entered::~Entered() {
  evaluator_.scopes_.leave(evaluator_.scope_);
  evaluator_.scope_ = outer_;
}

Evaluator::Evaluator(Runtime& runtime) : runtime_(runtime), scopes_(runtime) {
  scope_ = scopes_.enter(nullptr);
  add_globals(runtime, *scope_);
}

void Evaluator::define(std::string name, Value value) {
  scope_->variables.insert_or_assign(std::move(name), std::move(value));
}

std::string Evaluator::render(const Body& body) {
  Redirected redirected(*this);
  execute(body);
  return redirected.take();
}

struct StatementVisitor {
  using Flow = Evaluator::Flow;
  Evaluator& evaluator;
  Runtime& runtime;

  Flow operator()(const Text& node) const {
    evaluator.out_->append(node.text);
    return Flow::kNext;
  }
  Flow operator()(const Print& node) const {
    const Value value = evaluator.evaluate(*node.value);
    append_str(*evaluator.out_, value);
    return Flow::kNext;
  }
  Flow operator()(const Do& node) const {
    evaluator.evaluate(*node.value);
    return Flow::kNext;
  }
  Flow operator()(const If& node) const { return evaluator.execute_if(node); }
  Flow operator()(const For& node) const { return evaluator.execute_for(node); }
  Flow operator()(const Assign& node) const {
    evaluator.assign(node.target, evaluator.evaluate(*node.value));
    return Flow::kNext;
  }
  Flow operator()(const AssignBlock& node) const {
    evaluator.assign(node.target,
                     evaluator.evaluate_filter_block(*node.filter, evaluator.capture(node.body)));
    return Flow::kNext;
  }
  Flow operator()(const std::shared_ptr<const MacroDefinition>& node) const {
    evaluator.scope_->variables.insert_or_assign(node->name, evaluator.make_macro(node));
    return Flow::kNext;
  }
  Flow operator()(const CallBlock& node) const {
    evaluator.execute_call(node);
    return Flow::kNext;
  }
  Flow operator()(const FilterBlock& node) const {
    const Value value = evaluator.evaluate_filter_block(*node.filter, evaluator.capture(node.body));
    append_str(*evaluator.out_, value);
    return Flow::kNext;
  }
  Flow operator()(const With& node) const {
    // The values are those of outside the block, whatever it assigns before them.
    std::vector<Value> values;
    for (const auto& assignment : node.assignments) values.push_back(evaluator.evaluate(*assignment.second));
    const Evaluator::Entered entered(evaluator, evaluator.scope_);
    for (size_t i = 0; i < values.size(); ++i) evaluator.assign(node.assignments[i].first, values[i]);
    return evaluator.execute(node.body);
  }
  Flow operator()(const Break&) const { return Flow::kBreak; }
  Flow operator()(const Continue&) const { return Flow::kContinue; }
};

Evaluator::Flow Evaluator::execute(const Body& body) {
  const Runtime::Nesting nesting(runtime_);
  for (const Statement& statement : body) {
    const Flow flow = execute(statement);
    if (flow != Flow::kNext) return flow;
  }
  return Flow::kNext;
}

Evaluator::Flow Evaluator::execute(const Statement& statement) {
  runtime_.charge(16);
  runtime_.line = statement.line;
  return std::visit(StatementVisitor{*this, runtime_}, statement.node);
}

Evaluator::Flow Evaluator::execute_if(const If& node) {
  for (const auto& [condition, body] : node.branches) {
    if (truth(evaluate(*condition))) return execute(body);
  }
  return execute(node.otherwise);
}

Evaluator::Flow Evaluator::execute_for(const For& node) {
  const std::vector<Value> items = runtime_.iterate(evaluate(*node.iterable));
  Scope* outer = scope_;
  size_t next = 0;
  auto* loop = runtime_.make_object<Loop>([&]() -> std::optional<Value> {
    while (next < items.size()) {
      const Value& item = items[next++];
      runtime_.charge(16);
      if (!node.condition) return item;
      const Entered entered(*this, outer);
      assign(node.target, item);
      if (truth(evaluate(*node.condition))) return item;
    }
    return std::nullopt;
  });
  // As in Jinja2, a body that ends early does not count as one that ran.
  bool ran = false;
  while (const Value* item = loop->advance(runtime_)) {
    const Entered entered(*this, outer);
    scope_->variables.insert_or_assign("loop", Value(static_cast<Object*>(loop)));
    assign(node.target, Value(*item));
    const Flow flow = execute(node.body);
    if (flow == Flow::kBreak) break;
    ran = ran || flow == Flow::kNext;
  }
  loop->finish();
  if (ran || node.otherwise.empty()) return Flow::kNext;
  const Entered entered(*this, outer);
  return execute(node.otherwise);
}

void Evaluator::assign(const Target& target, const Value& value) {
  if (!target.items.empty()) {
    const auto values = runtime_.iterate(value);
    if (values.size() != target.items.size()) {
      runtime_.fail("cannot unpack " + std::to_string(values.size()) + " values into " +
                    std::to_string(target.items.size()) + " names");
    }
    for (size_t i = 0; i < values.size(); ++i) assign(target.items[i], values[i]);
    return;
  }
  if (target.attribute.empty()) {
    runtime_.charge(64);
    scope_->variables.insert_or_assign(target.name, value);
    return;
  }
  const Value* object = find_variable(scope_, target.name);
  auto* names =
      object != nullptr && object->is_object() ? dynamic_cast<Namespace*>(object->object()) : nullptr;
  if (names == nullptr)
    runtime_.fail("cannot assign an attribute of '" + target.name + "': it is no namespace");
  runtime_.charge(64);
  names->attributes.insert_or_assign(target.attribute, value);
}

std::string Evaluator::capture(const Body& body) {
  const Entered entered(*this, scope_);
  Redirected redirected(*this);
  execute(body);
  return redirected.take();
}

Value Evaluator::make_macro(const std::shared_ptr<const MacroDefinition>& definition) {
  ScopePool::capture(scope_);
  return Value(static_cast<Object*>(runtime_.make_object<Macro>(*this, definition, scope_)));
}

void Evaluator::execute_call(const CallBlock& node) {
  const auto& call_node = std::get<Call>(node.call->node);
  const Value callee = evaluate(*call_node.callee);
  Arguments arguments = evaluate_arguments(call_node.arguments);
  arguments.named.emplace_back("caller", make_macro(node.caller));
  append_str(*out_, call(callee, arguments));
}

Value Evaluator::call_macro(const MacroDefinition& definition, Scope* closure, const Arguments& arguments) {
  const Runtime::Nesting nesting(runtime_);
  const Entered entered(*this, closure);
  Redirected redirected(*this);
  bind_parameters(definition, arguments);
  execute(definition.body);
  return runtime_.make_string(redirected.take());
}

void Evaluator::bind_parameters(const MacroDefinition& definition, const Arguments& arguments) {
  const Signature& signature = definition.signature;
  const size_t positional = std::min(arguments.positional.size(), signature.parameters.size());
  auto named = arguments.named;
  const auto take = [&](std::string_view name) -> std::optional<Value> {
    const auto found =
        std::find_if(named.begin(), named.end(), [&](const auto& given) { return given.first == name; });
    if (found == named.end()) return std::nullopt;
    Value value = std::move(found->second);
    named.erase(found);
    return value;
  };
  bool has_caller = false;
  for (size_t i = 0; i < signature.parameters.size(); ++i) {
    const auto& [name, otherwise] = signature.parameters[i];
    std::optional<Value> value;
    if (i < positional) {
      value = arguments.positional[i];
    } else if (value = take(name); !value) {
      value = otherwise ? evaluate(*otherwise)
                        : runtime_.make_undefined("parameter '" + name + "' was not provided");
    }
    has_caller = has_caller || name == "caller";
    scope_->variables.insert_or_assign(name, std::move(*value));
  }
  if (signature.uses_caller && !has_caller) {
    auto caller = take("caller");
    scope_->variables.insert_or_assign("caller",
                                       caller ? *caller : runtime_.make_undefined("No caller defined"));
  }
  if (signature.uses_kwargs) {
    Dict rest;
    for (const auto& [name, value] : named) runtime_.set(rest, name, value);
    scope_->variables.insert_or_assign("kwargs", runtime_.make_dict(std::move(rest)));
  } else if (!named.empty()) {
    runtime_.fail("macro '" + definition.name + "' takes no keyword argument '" + named.front().first + "'");
  }
  std::vector<Value> rest(arguments.positional.begin() + static_cast<std::ptrdiff_t>(positional),
                          arguments.positional.end());
  if (signature.uses_varargs) {
    scope_->variables.insert_or_assign("varargs", runtime_.make_list(std::move(rest), ListKind::kTuple));
  } else if (!rest.empty()) {
    runtime_.fail("macro '" + definition.name + "' takes not more than " +
                  std::to_string(signature.parameters.size()) + " arguments");
  }
}

}  // namespace caldera::text::jinja
