// Amounts of memory in words.
#pragma once

#include <cstdint>
#include <string>

namespace caldera::plan {

/// "66.67 GiB", or below one "20.0 MiB".
std::string size_text(uint64_t bytes);

}  // namespace caldera::plan
