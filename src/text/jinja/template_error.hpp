// The errors of templates: one line, with the template's line in it.
#pragma once

#include <string>

#include "caldera/error.hpp"

namespace caldera::text::jinja {

/// Throws caldera::Error: `why`, cut to a sensible length, after the line of the template.
[[noreturn]] void fail_template(ErrorKind kind, int line, const std::string& why);

/// The error of a template that cannot be parsed.
[[noreturn]] inline void fail_syntax(int line, const std::string& why) {
  fail_template(ErrorKind::kUnsupported, line, why);
}

}  // namespace caldera::text::jinja
