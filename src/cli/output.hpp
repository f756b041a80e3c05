// What the program writes: answers and listings on standard output, everything about them on standard error.
#pragma once

#include <fmt/format.h>

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <utility>

namespace caldera::cli {

/// Thrown when nobody reads standard output any more (`caldera inspect ... | head -1`): the program ends
/// quietly.
struct OutputClosed {};

/// Thrown when Ctrl-C ends the program.
struct Interrupted {};

/// Writes all of `text` to standard output. Throws OutputClosed, Interrupted, or Error (kFile: a full disk).
void write_out(std::string_view text);

/// Writes `value` and a line feed to standard output; broken UTF-8 in it becomes U+FFFD.
void write_json(const nlohmann::ordered_json& value);

/// Writes to standard error; that it cannot be written is nobody's concern.
void write_error(std::string_view text) noexcept;

/// One line on standard error.
template <typename... T>
void say(fmt::format_string<T...> format, T&&... arguments) {
  write_error(fmt::format(format, std::forward<T>(arguments)...) + "\n");
}

/// `text` on one line, safe for a terminal: control characters, backslashes and bytes that are not UTF-8 as
/// C escapes.
std::string escape(std::string_view text);

/// `text` with control characters other than line feed and tab as U+FFFD: what a model writes must not be
/// able to drive the terminal.
std::string terminal_safe(std::string_view text);

/// An error's message as one line that is safe for a terminal: it may quote names from a file.
std::string one_line(std::string_view message);

/// The first `bytes` bytes or fewer, cut between characters, with an ellipsis where something was cut.
std::string shorten(std::string_view text, size_t bytes);

/// "94 MiB", "1.5 GiB".
std::string human_bytes(uint64_t bytes);

/// "134.5 M", "405.8 G".
std::string human_count(uint64_t count);

}  // namespace caldera::cli
