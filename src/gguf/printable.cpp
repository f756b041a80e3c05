#include "gguf/printable.hpp"

#include <fmt/core.h>

namespace caldera::gguf {

std::string quote(std::string_view text) {
  constexpr size_t kLimit = 80;
  std::string out = "'";
  for (const char c : text.substr(0, kLimit)) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte >= 0x20 && byte < 0x7f) {
      out += c;
    } else {
      out += fmt::format("\\x{:02x}", byte);
    }
  }
  return out + (text.size() > kLimit ? "...'" : "'");
}

}  // namespace caldera::gguf
