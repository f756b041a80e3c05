// Python's two ways to format text: "%s" % x and "{}".format(x).
#pragma once

#include <string_view>

#include "text/jinja/runtime.hpp"
#include "text/jinja/value.hpp"

namespace caldera::text::jinja {

/// `format % argument`, where the argument is one value, a tuple of them, or a dict for "%(name)s".
Value format_percent(Runtime& runtime, std::string_view format, const Value& argument);

/// `format.format(...)`. Replacement fields cannot nest in a format specification.
Value format_braces(Runtime& runtime, std::string_view format, const Arguments& arguments);

}  // namespace caldera::text::jinja
