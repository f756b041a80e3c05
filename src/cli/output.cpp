#include "cli/output.hpp"

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cmath>
#include <cstring>
#include <nlohmann/json.hpp>

#include "caldera/error.hpp"
#include "cli/interrupt.hpp"
#include "text/utf8.hpp"

namespace caldera::cli {

void write_out(std::string_view text) {
  while (!text.empty()) {
    const ssize_t written = write(STDOUT_FILENO, text.data(), text.size());
    if (written >= 0) {
      text.remove_prefix(static_cast<size_t>(written));
    } else if (errno == EINTR) {
      if (interrupt::pending()) throw Interrupted();
    } else if (errno == EAGAIN) {
      pollfd ready = {STDOUT_FILENO, POLLOUT, 0};
      poll(&ready, 1, -1);
    } else if (errno == EPIPE) {
      throw OutputClosed();
    } else {
      throw Error(ErrorKind::kFile, fmt::format("standard output: cannot write: {}", std::strerror(errno)));
    }
  }
}

void write_json(const nlohmann::ordered_json& value) {
  write_out(value.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n");
}

void write_error(std::string_view text) noexcept {
  while (!text.empty()) {
    const ssize_t written = write(STDERR_FILENO, text.data(), text.size());
    if (written < 0 && errno != EINTR) return;
    if (written > 0) text.remove_prefix(static_cast<size_t>(written));
  }
}

namespace {

/// Calls `plain` for every character that may be shown as it is and `control` for the code of the others.
/// `text` must be valid UTF-8.
template <typename Plain, typename Control>
void split_controls(std::string_view text, Plain plain, Control control) {
  for (size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    if (byte < 0x20 || byte == 0x7F) {
      control(byte);
    } else if (byte == 0xC2 && i + 1 < text.size() && static_cast<unsigned char>(text[i + 1]) < 0xA0) {
      control(static_cast<unsigned char>(text[++i]));  // U+0080 to U+009F
    } else {
      plain(text[i]);
    }
  }
}

void escape_valid(std::string_view text, std::string& out) {
  split_controls(
      text,
      [&](char c) {
        if (c == '\\') out += '\\';
        out += c;
      },
      [&](unsigned char code) {
        if (code == '\n') {
          out += "\\n";
        } else if (code == '\t') {
          out += "\\t";
        } else if (code == '\r') {
          out += "\\r";
        } else {
          out += code < 0x80 ? fmt::format("\\x{:02x}", code) : fmt::format("\\u{:04x}", code);
        }
      });
}

/// `value` in the largest unit that leaves at least one, with one decimal where it is not a whole number.
std::string scaled(double value, double step, std::span<const char* const> units) {
  size_t unit = 0;
  while (value >= step && unit + 1 < units.size()) {
    value /= step;
    ++unit;
  }
  const double rounded = std::round(value * 10) / 10;
  const std::string number = fmt::format("{:.{}f}", rounded, rounded == std::floor(rounded) ? 0 : 1);
  return *units[unit] == '\0' ? number : number + " " + units[unit];
}

}  // namespace

std::string escape(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const size_t bad = text::find_invalid_utf8(text);
    escape_valid(text.substr(0, bad), out);
    if (bad == std::string_view::npos) break;
    out += fmt::format("\\x{:02x}", static_cast<unsigned char>(text[bad]));
    text.remove_prefix(bad + 1);
  }
  return out;
}

std::string terminal_safe(std::string_view text) {
  std::string out;
  split_controls(
      text, [&](char c) { out += c; },
      [&](unsigned char code) {
        if (code == '\n' || code == '\t') {
          out += static_cast<char>(code);
        } else {
          out += "\xEF\xBF\xBD";
        }
      });
  return out;
}

std::string one_line(std::string_view message) {
  std::string out = terminal_safe(text::replace_invalid_utf8(message));
  std::replace_if(
      out.begin(), out.end(), [](char c) { return c == '\n' || c == '\t'; }, ' ');
  return out;
}

std::string shorten(std::string_view text, size_t bytes) {
  if (text.size() <= bytes) return std::string(text);
  while (bytes > 0 && (static_cast<unsigned char>(text[bytes]) & 0xC0) == 0x80) --bytes;
  return std::string(text.substr(0, bytes)) + "…";
}

std::string human_bytes(uint64_t bytes) {
  static constexpr std::array kUnits = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
  return scaled(static_cast<double>(bytes), 1024, kUnits);
}

std::string human_count(uint64_t count) {
  static constexpr std::array kUnits = {"", "K", "M", "G", "T", "P", "E"};
  return scaled(static_cast<double>(count), 1000, kUnits);
}

}  // namespace caldera::cli
