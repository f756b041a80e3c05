// The error of a template that cannot be parsed.
#pragma once

#include <string>

#include "caldera/error.hpp"

namespace caldera::text::jinja {

/// Throws caldera::Error of kind kUnsupported: `why`, with the template's line.
[[noreturn]] inline void fail_syntax(int line, const std::string& why) {
  throw Error(ErrorKind::kUnsupported, "chat template, line " + std::to_string(line) + ": " + why);
}

}  // namespace caldera::text::jinja
