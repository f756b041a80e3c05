// The escapes of Python's string literals.
#pragma once

#include <string>
#include <string_view>

namespace caldera::text::jinja {

/// The text of a literal, given without its quotes. Unknown escapes stay as they are.
/// Errors: kUnsupported, naming `line`, for an escape that is cut short.
std::string unescape(std::string_view literal, int line);

}  // namespace caldera::text::jinja
