#include "text/jinja/arguments.hpp"

#include <algorithm>

#include "text/jinja/operators.hpp"

namespace caldera::text::jinja {

Parameters::Parameters(Runtime& runtime, std::string_view callee, const Arguments& arguments,
                       std::initializer_list<std::string_view> names, size_t required)
    : runtime_(runtime), callee_(callee), names_(names), values_(names.size()) {
  if (arguments.positional.size() > names.size()) {
    runtime.fail(callee_ + " takes at most " + std::to_string(names.size()) + " arguments");
  }
  std::copy(arguments.positional.begin(), arguments.positional.end(), values_.begin());
  for (const auto& [name, value] : arguments.named) {
    const auto found = std::find(names_.begin(), names_.end(), name);
    if (found == names_.end()) runtime.fail(callee_ + " takes no argument '" + name + "'");
    auto& slot = values_[static_cast<size_t>(found - names_.begin())];
    if (slot) runtime.fail(callee_ + " was given '" + name + "' twice");
    slot = value;
  }
  for (size_t i = 0; i < required; ++i) {
    if (!values_[i]) runtime.fail(callee_ + " needs the argument '" + std::string(names_[i]) + "'");
  }
}

const Value& Parameters::at(size_t i) const {
  static const Value kUndefined;
  return values_[i] ? *values_[i] : kUndefined;
}

int64_t Parameters::integer(size_t i, int64_t otherwise) const {
  if (!values_[i]) return otherwise;
  const auto index = values_[i]->as_index();
  if (!index) runtime_.fail(callee_ + ": '" + std::string(names_[i]) + "' must be an integer");
  return *index;
}

std::string_view Parameters::text(size_t i, std::string_view otherwise) const {
  if (!values_[i]) return otherwise;
  if (!values_[i]->is_string())
    runtime_.fail(callee_ + ": '" + std::string(names_[i]) + "' must be a string");
  return values_[i]->text();
}

bool Parameters::flag(size_t i, bool otherwise) const {
  return values_[i] ? truth(*values_[i]) : otherwise;
}

}  // namespace caldera::text::jinja
