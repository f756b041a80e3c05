// The variables that a part of a template sees.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "text/jinja/runtime.hpp"
#include "text/jinja/value.hpp"

namespace caldera::text::jinja {

struct Scope {
  Scope* parent = nullptr;
  std::map<std::string, Value, std::less<>> variables;
  bool captured = false;  ///< a macro defined here may still be called: must outlive its block
};

/// Owns all scopes of a rendering, so that macros can point to theirs without owning one another.
class ScopePool {
 public:
  explicit ScopePool(Runtime& runtime) : runtime_(runtime) {}
  Scope* enter(Scope* parent);
  /// Ends a scope; one that a macro has captured stays.
  void leave(Scope* scope);
  /// Marks a scope and those around it as captured.
  static void capture(Scope* scope);

 private:
  Runtime& runtime_;
  std::deque<Scope> scopes_;
  std::vector<Scope*> free_;
};

/// The variable, from the innermost scope that has it, or null.
const Value* find_variable(const Scope* scope, std::string_view name);

}  // namespace caldera::text::jinja
