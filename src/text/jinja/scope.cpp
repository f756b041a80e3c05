#include "text/jinja/scope.hpp"

namespace caldera::text::jinja {

Scope* ScopePool::enter(Scope* parent) {
  if (free_.empty()) {
    runtime_.charge(256);
    scopes_.emplace_back();
    free_.push_back(&scopes_.back());
  }
  Scope* scope = free_.back();
  free_.pop_back();
  scope->parent = parent;
  return scope;
}

void ScopePool::leave(Scope* scope) {
  if (scope->captured) return;
  scope->variables.clear();
  free_.push_back(scope);
}

void ScopePool::capture(Scope* scope) {
  for (; scope != nullptr && !scope->captured; scope = scope->parent) scope->captured = true;
}

const Value* find_variable(const Scope* scope, std::string_view name) {
  for (; scope != nullptr; scope = scope->parent) {
    const auto found = scope->variables.find(name);
    if (found != scope->variables.end()) return &found->second;
  }
  return nullptr;
}

}  // namespace caldera::text::jinja
