// The small text files that the kernel describes itself with.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace caldera::machine {

/// The first `limit` bytes of a file; nothing where it is absent, unreadable or not a regular file (a pipe in
/// a recorded tree must not make the reader wait).
std::optional<std::string> read_small_file(const std::filesystem::path& path, size_t limit = 64 << 10);

/// `text` without white space (and zero bytes) at its ends.
std::string_view trim(std::string_view text);

/// Takes the first line off `text`, without its line feed.
std::string_view take_line(std::string_view& text);

/// All of `text`, trimmed, as a number: decimal, or hexadecimal after 0x. Nothing where it is none, or too
/// large.
std::optional<uint64_t> parse_number(std::string_view text);

/// The number in a file that holds one ("103079215104\n", "0x1002\n").
std::optional<uint64_t> read_number(const std::filesystem::path& path);

/// The names in a folder, sorted; none where there is no such folder. At most 4096 are looked at.
std::vector<std::string> list_names(const std::filesystem::path& folder);

}  // namespace caldera::machine
