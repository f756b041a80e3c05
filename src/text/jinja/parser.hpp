// A template's tokens as a syntax tree.
#pragma once

#include <string_view>

#include "text/jinja/syntax_tree.hpp"

namespace caldera::text::jinja {

/// Errors: kUnsupported, with the line, for what Jinja2 refuses, for filters and tests that are not known,
/// and for include, import, extends, block and recursive loops, which need other templates or are not used by
/// models.
Body parse(std::string_view source);

}  // namespace caldera::text::jinja
