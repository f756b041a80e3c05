#include "cli/prompt.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "caldera/error.hpp"
#include "cli/interrupt.hpp"
#include "cli/output.hpp"
#include "text/utf8.hpp"

namespace caldera::cli {
namespace {

/// Reads to the end; waits in poll() so that Ctrl-C is never missed. A closed descriptor is empty.
std::string read_all(int descriptor, const std::string& name) {
  std::string text;
  char buffer[1 << 16];
  for (;;) {
    pollfd waits[2] = {{descriptor, POLLIN, 0}, {interrupt::descriptor(), POLLIN, 0}};
    poll(waits, 2, -1);
    if (interrupt::pending()) throw Interrupted();
    if (waits[0].revents == 0) continue;
    const ssize_t got = read(descriptor, buffer, sizeof buffer);
    if (got == 0 || (got < 0 && errno == EBADF)) return text;
    if (got < 0) {
      if (errno == EINTR || errno == EAGAIN) continue;
      throw Error(ErrorKind::kFile, fmt::format("{}: cannot read: {}", name, std::strerror(errno)));
    }
    text.append(buffer, static_cast<size_t>(got));
    if (text.size() > kMaxInputBytes) {
      throw Error(ErrorKind::kInput, fmt::format("{}: longer than {}, which no context holds", name,
                                                 human_bytes(kMaxInputBytes)));
    }
  }
}

void drop_line_end(std::string& text) {
  if (text.ends_with('\n')) text.pop_back();
  if (text.ends_with('\r')) text.pop_back();
}

}  // namespace

std::string read_text(const std::string& path) {
  if (path == "-") return read_standard_input();
  const int descriptor = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) {
    throw Error(ErrorKind::kFile, fmt::format("{}: cannot open: {}", escape(path), std::strerror(errno)));
  }
  struct Closer {
    int descriptor;
    ~Closer() { close(descriptor); }
  } closer{descriptor};
  std::string text = read_all(descriptor, escape(path));
  drop_line_end(text);
  return text;
}

std::string read_standard_input() {
  std::string text = read_all(STDIN_FILENO, "standard input");
  drop_line_end(text);
  return text;
}

void require_utf8(std::string_view text, std::string_view what) {
  const size_t bad = text::find_invalid_utf8(text);
  if (bad == std::string_view::npos) return;
  throw Error(ErrorKind::kInput,
              fmt::format("{} is not valid UTF-8: byte {:#04x} at offset {}; convert it first, "
                          "for example with iconv",
                          what, static_cast<unsigned char>(text[bad]), bad));
}

std::optional<std::string> gather_prompt(const std::optional<std::string>& argument,
                                         const std::optional<std::string>& file) {
  std::string more;
  if (file) {
    more = read_text(*file);
  } else if (isatty(STDIN_FILENO) == 0) {
    more = read_standard_input();
  } else if (!argument) {
    return std::nullopt;
  }
  std::string prompt = argument.value_or("");
  if (!prompt.empty() && !more.empty()) prompt += "\n\n";
  prompt += more;
  if (prompt.empty())
    throw Error(ErrorKind::kUsage, "the prompt is empty: give it as an argument, with -f or by a pipe");
  require_utf8(prompt, "the prompt");
  return prompt;
}

}  // namespace caldera::cli
