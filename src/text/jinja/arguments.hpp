// The arguments of a call matched with the names of the parameters.
#pragma once

#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "text/jinja/runtime.hpp"
#include "text/jinja/value.hpp"

namespace caldera::text::jinja {

class Parameters {
 public:
  /// Errors: too many or unknown arguments, or one of the first `required` is absent. `callee` is for the
  /// message.
  Parameters(Runtime& runtime, std::string_view callee, const Arguments& arguments,
             std::initializer_list<std::string_view> names, size_t required = 0);

  /// Whether parameter `i` was given.
  bool has(size_t i) const { return values_[i].has_value(); }
  /// Whether parameter `i` was given and is not none.
  bool is_set(size_t i) const { return has(i) && !values_[i]->is_none(); }
  /// Parameter `i`, or undefined.
  const Value& at(size_t i) const;
  /// Errors: an argument that is no integer.
  int64_t integer(size_t i, int64_t otherwise = 0) const;
  /// Errors: an argument that is no string.
  std::string_view text(size_t i, std::string_view otherwise = "") const;
  bool flag(size_t i, bool otherwise = false) const;

 private:
  Runtime& runtime_;
  std::string callee_;
  std::vector<std::string_view> names_;
  std::vector<std::optional<Value>> values_;
};

}  // namespace caldera::text::jinja
