#include "text/bpe_bytes.hpp"

#include <array>

namespace caldera::text {
namespace {

constexpr uint32_t kLastCodePoint = 0x143;  // 256 plus the 68 bytes without a printable Latin-1 character

struct Spelling {
  std::array<char, 2> text{};
  uint8_t length = 0;
};

struct Spellings {
  std::array<Spelling, 256> of_byte{};
  std::array<int16_t, kLastCodePoint + 1> byte_of{};  // -1: no byte
};

constexpr bool prints(uint32_t byte) {
  return (byte >= '!' && byte <= '~') || (byte >= 0xA1 && byte <= 0xAC) || byte >= 0xAE;
}

constexpr Spellings make_spellings() {
  Spellings result;
  for (int16_t& byte : result.byte_of) byte = -1;
  uint32_t next = 256;
  for (uint32_t byte = 0; byte < 256; ++byte) {
    const uint32_t code = prints(byte) ? byte : next++;
    Spelling& spelling = result.of_byte[byte];
    if (code < 0x80) {
      spelling = {{static_cast<char>(code), '\0'}, 1};
    } else {
      spelling = {{static_cast<char>(0xC0 | (code >> 6)), static_cast<char>(0x80 | (code & 0x3F))}, 2};
    }
    result.byte_of[code] = static_cast<int16_t>(byte);
  }
  return result;
}

constexpr Spellings kSpellings = make_spellings();

}  // namespace

std::string_view byte_spelling(uint8_t byte) {
  const Spelling& spelling = kSpellings.of_byte[byte];
  return {spelling.text.data(), spelling.length};
}

std::string spelled_bytes(std::string_view spelling) {
  std::string out;
  out.reserve(spelling.size());
  for (size_t at = 0; at < spelling.size();) {
    const auto lead = static_cast<uint8_t>(spelling[at]);
    uint32_t code = lead;
    size_t length = 1;
    if (lead >= 0xC0 && lead < 0xE0 && at + 1 < spelling.size()) {
      code = (lead & 0x1Fu) << 6 | (static_cast<uint8_t>(spelling[at + 1]) & 0x3Fu);
      length = 2;
    }
    // Of longer characters the bytes are all above 0x7F and would be taken for Latin-1 here: keep them.
    const bool whole = lead < 0x80 || length == 2;
    const int byte = whole && code <= kLastCodePoint ? kSpellings.byte_of[code] : -1;
    if (byte >= 0) {
      out += static_cast<char>(byte);
    } else {
      out += spelling.substr(at, length);
    }
    at += length;
  }
  return out;
}

}  // namespace caldera::text
