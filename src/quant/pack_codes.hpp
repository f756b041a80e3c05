// Repacks the codes of a run of blocks into one plane of the resident layout (resident.hpp), eight codes at a
// time as the bytes of a 64-bit word: no branch and no table, which compilers turn into vector code.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <utility>

namespace caldera::quant {

static_assert(std::endian::native == std::endian::little,
              "files and planes are little-endian, and so is this");

/// A byte in each of the eight bytes of a word.
constexpr uint64_t eight_times(uint8_t byte) {
  return byte * 0x0101010101010101U;
}
constexpr uint32_t four_times(uint8_t byte) {
  return byte * 0x01010101U;
}

inline uint64_t load_eight(const uint8_t* bytes) {
  uint64_t word;
  std::memcpy(&word, bytes, sizeof(word));
  return word;
}
inline uint32_t load_four(const uint8_t* bytes) {
  uint32_t word;
  std::memcpy(&word, bytes, sizeof(word));
  return word;
}

/// Writes the `kBits` bits from bit `kFrom` up of the 32 codes of unit `kUnit` of a block.
template <class F, unsigned kFrom, unsigned kBits, size_t kUnit>
void pack_unit(const typename F::Block& block, uint8_t* out) {
  uint64_t codes[4];
  for (size_t p = 0; p < 4; ++p) codes[p] = F::eight_codes(block, 4 * kUnit + p);
  constexpr uint64_t kMask = eight_times((1U << kBits) - 1);
  if constexpr (kBits == 8) {
    std::memcpy(out, codes, 32);
  } else {
    // Words of codes 0..3 and 4..7 fold into one: the second lies above the first by the width of a code.
    uint32_t half[4];
    for (size_t p = 0; p < 4; ++p) {
      const uint64_t field = codes[p] >> kFrom & kMask;
      half[p] = static_cast<uint32_t>(field | field >> (32 - kBits));
    }
    if constexpr (kBits == 4) {
      std::memcpy(out, half, 16);
    } else if constexpr (kBits == 2) {
      const uint32_t words[2] = {half[0] | half[1] << 4, half[2] | half[3] << 4};
      std::memcpy(out, words, 8);
    } else {
      static_assert(kBits == 1);
      const uint32_t word = half[0] | half[1] << 2 | half[2] << 4 | half[3] << 6;
      std::memcpy(out, &word, 4);
    }
  }
}

/// One plane of the codes of `blocks` blocks of F (codec.hpp), written from its start to its end.
template <class F, unsigned kFrom, unsigned kBits>
void pack_code_plane(const std::byte* source, size_t blocks, std::byte* out) {
  const auto* block = reinterpret_cast<const typename F::Block*>(source);
  auto* to = reinterpret_cast<uint8_t*>(out);
  for (size_t b = 0; b < blocks; ++b) {
    // Unrolled: where the codes of a unit lie, and by how much they are shifted, are then constants.
    [&]<size_t... kUnits>(std::index_sequence<kUnits...>) {
      (pack_unit<F, kFrom, kBits, kUnits>(block[b], to + size_t{4} * kBits * kUnits), ...);
    }
    (std::make_index_sequence<F::kElements / 32>());
    to += F::kElements / 8 * kBits;
  }
}

/// Pairs of 6-bit numbers of a super-block, four in a word, a byte each.
struct Pairs6 {
  uint32_t first[2];
  uint32_t second[2];
};

/// The plane of 6-bit scales of F: d (and dmin, or zeros) in 4 bytes, then F::pairs() in 12. Byte u of the
/// first two words of these is the low nibbles of pair u (first | second << 4); nibble u of the third their
/// upper bits (first | second << 2).
template <class F>
void pack_pair_plane(const std::byte* source, size_t blocks, std::byte* out) {
  const auto* block = reinterpret_cast<const typename F::Block*>(source);
  for (size_t b = 0; b < blocks; ++b) {
    uint32_t words[4] = {};
    std::memcpy(words, block[b].d, 2);
    if constexpr (requires { block[b].dmin; })
      std::memcpy(reinterpret_cast<uint8_t*>(words) + 2, block[b].dmin, 2);
    const Pairs6 pairs = F::pairs(block[b]);
    for (size_t k = 0; k < 2; ++k) {
      constexpr uint32_t kLow = four_times(15);
      constexpr uint32_t kHigh = four_times(3);
      words[1 + k] = (pairs.first[k] & kLow) | (pairs.second[k] & kLow) << 4;
      uint32_t high = (pairs.first[k] >> 4 & kHigh) | (pairs.second[k] >> 4 & kHigh) << 2;
      high = (high | high >> 4) & 0x00FF00FF;
      high = (high | high >> 8) & 0xFFFF;
      words[3] |= high << 16 * k;
    }
    std::memcpy(out + b * sizeof(words), words, sizeof(words));
  }
}

}  // namespace caldera::quant
