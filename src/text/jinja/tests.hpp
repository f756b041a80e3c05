// The tests of Jinja2, what stands after `is`:
// https://jinja.palletsprojects.com/en/stable/templates/#builtin-tests
#pragma once

#include <string_view>

#include "text/jinja/runtime.hpp"
#include "text/jinja/value.hpp"

namespace caldera::text::jinja {

using TestFunction = bool (*)(Runtime&, const Value& value, const Arguments&);

/// The test of that name, or null.
TestFunction find_test(std::string_view name);

}  // namespace caldera::text::jinja
