// The functions that every template sees:
// https://jinja.palletsprojects.com/en/stable/templates/#list-of-global-functions and transformers'
// raise_exception and strftime_now.
#pragma once

#include "text/jinja/runtime.hpp"
#include "text/jinja/scope.hpp"

namespace caldera::text::jinja {

void add_globals(Runtime& runtime, Scope& scope);

}  // namespace caldera::text::jinja
