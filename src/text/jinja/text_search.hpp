// Finding text in linear time, whatever the texts.
#pragma once

#include <cstddef>
#include <string_view>

namespace caldera::text::jinja {

/// Offset of the first `needle` at or after `from`, or npos.
size_t find_text(std::string_view text, std::string_view needle, size_t from);
/// Offset of the last `needle`, or npos.
size_t rfind_text(std::string_view text, std::string_view needle);

}  // namespace caldera::text::jinja
