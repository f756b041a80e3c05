// Numbers and sizes as people type them, read strictly: all of the text, within a range.
#pragma once

#include <cstdint>
#include <string_view>

namespace caldera::cli {

/// A whole number from `least` to `most`. `name` is the option, for the error line. Errors: kUsage.
uint64_t parse_integer(std::string_view name, std::string_view text, uint64_t least, uint64_t most);

/// A finite number from `least` to `most`; with `open`, greater than `least`. Errors: kUsage.
float parse_number(std::string_view name, std::string_view text, float least, float most, bool open = false);

/// A size in bytes: "96GiB", "500M", "1.5T". K, M, G and T (with or without "iB") count in 1024s, KB, MB, GB
/// and TB in 1000s. Errors: kUsage.
uint64_t parse_size(std::string_view name, std::string_view text);

}  // namespace caldera::cli
