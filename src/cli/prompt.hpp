// Where a prompt comes from: the command line, a file, a pipe.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace caldera::cli {

/// The longest text taken from a file or a pipe, in bytes; several times the longest context there is.
constexpr size_t kMaxInputBytes = size_t{64} << 20;

/// All of a regular file or a pipe ("-": standard input). One line end at the end is dropped: `echo` adds it.
/// Errors: kFile, kInput when longer than kMaxInputBytes.
std::string read_text(const std::string& path);

/// All of standard input, as read_text("-").
std::string read_standard_input();

/// Errors: kInput, with the offset of the first bad byte, when `text` is not UTF-8.
void require_utf8(std::string_view text, std::string_view what);

/// The prompt: the argument, then after an empty line the file or else what is piped in. Nothing at all when
/// standard input is a terminal and no other source is given. Errors: kUsage when empty, kFile, kInput.
std::optional<std::string> gather_prompt(const std::optional<std::string>& argument,
                                         const std::optional<std::string>& file);

}  // namespace caldera::cli
