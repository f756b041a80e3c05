// The 16 bytes in which most formats of 4 bits keep the codes of 32 weights.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "quant/pack_codes.hpp"

namespace caldera::quant {

/// Code i < 16 is the low nibble of qs[i], code i + 16 its high nibble.
struct Codes4 {
  static constexpr unsigned kBits = 4;
  static constexpr int kMax = 15;
  uint8_t qs[16];
  int get(size_t i) const { return qs[i % 16] >> (i / 16 * 4) & 15; }
  uint64_t get_eight(size_t p) const { return load_eight(qs + p % 2 * 8) >> (p / 2 * 4) & eight_times(15); }
  void clear() { std::fill_n(qs, 16, uint8_t{0}); }
  void put(size_t i, int code) { qs[i % 16] |= static_cast<uint8_t>(code << (i / 16 * 4)); }
};

}  // namespace caldera::quant
