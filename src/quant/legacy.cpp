// Q4_0, Q4_1, Q5_0, Q5_1 and Q8_0: 32 weights with one scale d, and for the _1 formats a minimum m.
// Layouts: https://github.com/ggml-org/ggml/blob/master/src/ggml-common.h (block_q4_0 and its neighbours).
// Weight i < 16 is the low nibble of qs[i], weight i + 16 its high nibble; bit i of qh is weight i's fifth
// bit.
#include "quant/codec.hpp"
#include "quant/codes4.hpp"
#include "quant/scale.hpp"

namespace caldera::quant {
namespace {

constexpr size_t kBlock = 32;

/// As Codes4, with a fifth bit of weight i in bit i of qh.
struct Codes5 {
  static constexpr unsigned kBits = 5;
  static constexpr int kMax = 31;
  uint8_t qh[4];
  Codes4 low;
  int get(size_t i) const { return low.get(i) | (qh[i / 8] >> (i % 8) & 1) << 4; }
  uint64_t get_eight(size_t p) const {
    // A copy of the eight bits in each byte, of which byte k keeps bit k, and has it moved to bit 4.
    const uint64_t bits = eight_times(qh[p]) & 0x8040201008040201U;
    const uint64_t fifth = (bits + eight_times(127)) >> 7 & eight_times(1);
    return low.get_eight(p) | fifth << 4;
  }
  void clear() {
    std::fill_n(qh, 4, uint8_t{0});
    low.clear();
  }
  void put(size_t i, int code) {
    low.put(i, code & 15);
    qh[i / 8] |= static_cast<uint8_t>((code >> 4) << (i % 8));
  }
};

/// weight = d * (code - middle): Q4_0 and Q5_0.
template <class Codes>
struct Symmetric {
  struct Block {
    uint8_t d[2];
    Codes codes;
  };
  static constexpr size_t kElements = kBlock;
  static constexpr int kMiddle = (Codes::kMax + 1) / 2;

  static constexpr unsigned kCodeBits = Codes::kBits;
  static uint64_t eight_codes(const Block& block, size_t p) { return block.codes.get_eight(p); }

  template <class Real>
  static void decode(const Block& block, Real* out) {
    const Real d = load_f16(block.d);
    for (size_t i = 0; i < kBlock; ++i) out[i] = d * static_cast<Real>(block.codes.get(i) - kMiddle);
  }

  static void encode(const float* source, Block& block) {
    // The extreme weight takes code 0, the end with one step more; so d has the opposite sign.
    const double d = store_f16_away_from_zero(extreme_of(source, kBlock) / -kMiddle, block.d);
    block.codes.clear();
    for (size_t i = 0; i < kBlock; ++i) {
      block.codes.put(i, kMiddle + nearest_step(finite(source[i]), d, -kMiddle, kMiddle - 1));
    }
  }
};

/// weight = d * code + m: Q4_1 and Q5_1.
template <class Codes>
struct Affine {
  struct Block {
    uint8_t d[2];
    uint8_t m[2];
    Codes codes;
  };
  static constexpr size_t kElements = kBlock;

  static constexpr unsigned kCodeBits = Codes::kBits;
  static uint64_t eight_codes(const Block& block, size_t p) { return block.codes.get_eight(p); }

  template <class Real>
  static void decode(const Block& block, Real* out) {
    const Real d = load_f16(block.d);
    const Real m = load_f16(block.m);
    for (size_t i = 0; i < kBlock; ++i) out[i] = d * static_cast<Real>(block.codes.get(i)) + m;
  }

  static void encode(const float* source, Block& block) {
    const Range range = range_of(source, kBlock);
    // Codes only reach upwards from m, so a positive minimum that f16 would round up takes the f16 below.
    double m = store_f16_away_from_zero(range.low, block.m);
    if (range.low > 0 && m > range.low) m = store_f16_away_from_zero(f16_below(m), block.m);
    const double d = store_f16_away_from_zero((range.high - m) / Codes::kMax, block.d);
    block.codes.clear();
    for (size_t i = 0; i < kBlock; ++i) {
      block.codes.put(i, nearest_step(finite(source[i]) - m, d, 0, Codes::kMax));
    }
  }

 private:
  /// The f16 next below a positive one.
  static double f16_below(double half) {
    return float_from_f16(static_cast<uint16_t>(f16_from_float(static_cast<float>(half)) - 1));
  }
};

/// weight = d * code, a signed byte.
struct Q8_0 {
  struct Block {
    uint8_t d[2];
    uint8_t qs[kBlock];
  };
  static constexpr size_t kElements = kBlock;

  static constexpr unsigned kCodeBits = 8;
  static uint64_t eight_codes(const Block& block, size_t p) {
    return load_eight(block.qs + 8 * p) ^ eight_times(0x80);
  }

  template <class Real>
  static void decode(const Block& block, Real* out) {
    const Real d = load_f16(block.d);
    for (size_t i = 0; i < kBlock; ++i) out[i] = d * static_cast<Real>(static_cast<int8_t>(block.qs[i]));
  }

  static void encode(const float* source, Block& block) {
    const double d = store_f16_away_from_zero(std::abs(extreme_of(source, kBlock)) / 127, block.d);
    for (size_t i = 0; i < kBlock; ++i) {
      block.qs[i] = static_cast<uint8_t>(nearest_step(finite(source[i]), d, -127, 127));
    }
  }
};

}  // namespace

constinit const Codec kQ4_0Codec = codec_of<Symmetric<Codes4>>();
constinit const Codec kQ4_1Codec = codec_of<Affine<Codes4>>();
constinit const Codec kQ5_0Codec = codec_of<Symmetric<Codes5>>();
constinit const Codec kQ5_1Codec = codec_of<Affine<Codes5>>();
constinit const Codec kQ8_0Codec = codec_of<Q8_0>();

}  // namespace caldera::quant
