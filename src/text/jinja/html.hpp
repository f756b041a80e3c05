// What the filters for web pages do to text.
#pragma once

#include <string>
#include <string_view>

#include "text/jinja/runtime.hpp"

namespace caldera::text::jinja {

std::string escape_html(Runtime& runtime, std::string_view text);
/// Without comments and tags, white space collapsed, the five entities of escape_html resolved.
std::string strip_tags(Runtime& runtime, std::string_view text);
/// Percent-encoded; in a query string "/" is encoded too and a blank is "+".
std::string quote_url(Runtime& runtime, std::string_view text, bool query);

}  // namespace caldera::text::jinja
