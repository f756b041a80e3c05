// Q3_K and Q6_K: 256 weights in 16 sub-blocks of 16, each with a small signed scale of its own:
// weight = (d * scale) * code, codes and scales in two's complement ranges.
// Layouts: https://github.com/ggml-org/ggml/blob/master/src/ggml-common.h (block_q3_K, block_q6_K).
#include "quant/codec.hpp"
#include "quant/scale.hpp"

namespace caldera::quant {
namespace {

constexpr size_t kBlock = 256;
constexpr size_t kSub = 16;
constexpr size_t kSubs = kBlock / kSub;

/// Decodes a block of layout F.
template <class F, class Real>
void decode_symmetric(const typename F::Block& block, Real* out) {
  const Real d = load_f16(block.d);
  for (size_t s = 0; s < kSubs; ++s) {
    const Real step = d * static_cast<Real>(F::scale(block, s));
    for (size_t i = s * kSub; i < (s + 1) * kSub; ++i) out[i] = step * static_cast<Real>(F::code(block, i));
  }
}

/// Encodes a block of layout F: codes in [-F::kMiddle, F::kMiddle - 1], scales in [-F::kMaxScale,
/// F::kMaxScale].
template <class F>
void encode_symmetric(const float* source, typename F::Block& block) {
  double step[kSubs];  // with the sign that gives a sub-block's extreme weight the code -kMiddle
  double widest = 0;
  for (size_t s = 0; s < kSubs; ++s) {
    step[s] = extreme_of(source + s * kSub, kSub) / -F::kMiddle;
    widest = std::max(widest, std::abs(step[s]));
  }
  block = {};
  const double d = store_f16_away_from_zero(widest / F::kMaxScale, block.d);
  for (size_t s = 0; s < kSubs; ++s) {
    const int magnitude = covering_steps(std::abs(step[s]), d, F::kMaxScale);
    const int scale = step[s] < 0 ? -magnitude : magnitude;
    F::put_scale(block, s, scale);
    for (size_t i = s * kSub; i < (s + 1) * kSub; ++i) {
      F::put_code(block, i, nearest_step(finite(source[i]), d * scale, -F::kMiddle, F::kMiddle - 1));
    }
  }
}

/// Code + 4 of weight i: its low two bits in qs[32 (i / 128) + i % 32], its high bit is bit i / 32 of hmask[i
/// % 32]. Scale s + 32: low nibbles in bytes 0..7 of scales (the high ones for s >= 8), top two bits in
/// bytes 8..11.
struct Q3_K {
  struct Block {
    uint8_t hmask[32];
    uint8_t qs[64];
    uint8_t scales[12];
    uint8_t d[2];
  };
  static constexpr size_t kElements = kBlock;
  static constexpr int kMiddle = 4;
  static constexpr int kMaxScale = 31;

  static int scale(const Block& block, size_t s) {
    const int low = block.scales[s % 8] >> (s / 8 * 4) & 15;
    const int high = block.scales[8 + s % 4] >> (s / 4 * 2) & 3;
    return (low | high << 4) - 32;
  }
  /// Neighbours, with their middle of 32 added.
  static Pairs6 pairs(const Block& block) {
    Pairs6 pairs{};
    for (size_t u = 0; u < kSubs / 2; ++u) {
      pairs.first[u / 4] |= static_cast<uint32_t>(scale(block, 2 * u) + 32) << 8 * (u % 4);
      pairs.second[u / 4] |= static_cast<uint32_t>(scale(block, 2 * u + 1) + 32) << 8 * (u % 4);
    }
    return pairs;
  }
  static size_t byte(size_t i) { return i / 128 * 32 + i % 32; }
  static size_t shift(size_t i) { return i % 128 / 32 * 2; }
  static int code(const Block& block, size_t i) {
    const int low = block.qs[byte(i)] >> shift(i) & 3;
    const int high = block.hmask[i % 32] >> (i / 32) & 1;
    return (low | high << 2) - kMiddle;
  }

  static constexpr unsigned kCodeBits = 3;
  static uint64_t eight_codes(const Block& block, size_t p) {
    const uint64_t low = load_eight(block.qs + byte(8 * p)) >> shift(8 * p) & eight_times(3);
    const uint64_t high = load_eight(block.hmask + 8 * p % 32) >> (p / 4) & eight_times(1);
    return low | high << 2;
  }

  static void put_scale(Block& block, size_t s, int scale) {
    const int stored = scale + 32;
    block.scales[s % 8] |= static_cast<uint8_t>((stored & 15) << (s / 8 * 4));
    block.scales[8 + s % 4] |= static_cast<uint8_t>((stored >> 4) << (s / 4 * 2));
  }
  static void put_code(Block& block, size_t i, int code) {
    const int stored = code + kMiddle;
    block.qs[byte(i)] |= static_cast<uint8_t>((stored & 3) << shift(i));
    block.hmask[i % 32] |= static_cast<uint8_t>((stored >> 2) << (i / 32));
  }

  template <class Real>
  static void decode(const Block& block, Real* out) {
    decode_symmetric<Q3_K>(block, out);
  }
  static void encode(const float* source, Block& block) { encode_symmetric<Q3_K>(source, block); }
};

/// Code + 32 of weight i: its low nibble in ql[64 (i / 128) + i % 64] (high half for i % 128 >= 64), its top
/// two bits in qh[32 (i / 128) + i % 32]. Scales are signed bytes.
struct Q6_K {
  struct Block {
    uint8_t ql[128];
    uint8_t qh[64];
    uint8_t scales[16];
    uint8_t d[2];
  };
  static constexpr size_t kElements = kBlock;
  static constexpr int kMiddle = 32;
  static constexpr int kMaxScale = 127;

  static int scale(const Block& block, size_t s) { return static_cast<int8_t>(block.scales[s]); }
  static size_t low_byte(size_t i) { return i / 128 * 64 + i % 64; }
  static size_t low_shift(size_t i) { return i % 128 / 64 * 4; }
  static size_t high_byte(size_t i) { return i / 128 * 32 + i % 32; }
  static size_t high_shift(size_t i) { return i % 128 / 32 * 2; }
  static int code(const Block& block, size_t i) {
    const int low = block.ql[low_byte(i)] >> low_shift(i) & 15;
    const int high = block.qh[high_byte(i)] >> high_shift(i) & 3;
    return (low | high << 4) - kMiddle;
  }

  static constexpr unsigned kCodeBits = 6;
  static uint64_t eight_codes(const Block& block, size_t p) {
    const size_t i = 8 * p;
    const uint64_t low = load_eight(block.ql + low_byte(i)) >> low_shift(i) & eight_times(15);
    const uint64_t high = load_eight(block.qh + high_byte(i)) >> high_shift(i) & eight_times(3);
    return low | high << 4;
  }

  static void put_scale(Block& block, size_t s, int scale) { block.scales[s] = static_cast<uint8_t>(scale); }
  static void put_code(Block& block, size_t i, int code) {
    const int stored = code + kMiddle;
    block.ql[low_byte(i)] |= static_cast<uint8_t>((stored & 15) << low_shift(i));
    block.qh[high_byte(i)] |= static_cast<uint8_t>((stored >> 4) << high_shift(i));
  }

  template <class Real>
  static void decode(const Block& block, Real* out) {
    decode_symmetric<Q6_K>(block, out);
  }
  static void encode(const float* source, Block& block) { encode_symmetric<Q6_K>(source, block); }
};

}  // namespace

constinit const Codec kQ3_KCodec = codec_of<Q3_K>();
constinit const Codec kQ6_KCodec = codec_of<Q6_K>();

}  // namespace caldera::quant
