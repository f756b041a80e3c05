// Q2_K, Q4_K and Q5_K: 256 weights in sub-blocks, each with a small integer scale and minimum of its own:
// weight = (d * scale) * code - (dmin * min).
// Layouts: https://github.com/ggml-org/ggml/blob/master/src/ggml-common.h (block_q2_K, block_q4_K,
// block_q5_K).
#include "quant/codec.hpp"
#include "quant/scale.hpp"

namespace caldera::quant {
namespace {

constexpr size_t kBlock = 256;

/// Decodes a block of layout F: F::kSub weights share a scale and a minimum.
template <class F, class Real>
void decode_with_minimum(const typename F::Block& block, Real* out) {
  const Real d = load_f16(block.d);
  const Real dmin = load_f16(block.dmin);
  for (size_t s = 0; s < kBlock / F::kSub; ++s) {
    const Real step = d * static_cast<Real>(F::scale(block, s));
    const Real minimum = dmin * static_cast<Real>(F::minimum(block, s));
    for (size_t i = s * F::kSub; i < (s + 1) * F::kSub; ++i) {
      out[i] = step * static_cast<Real>(F::code(block, i)) - minimum;
    }
  }
}

/// Encodes a block of layout F, whose codes end at F::kMaxCode and whose scales and minima at F::kMaxScale.
template <class F>
void encode_with_minimum(const float* source, typename F::Block& block) {
  constexpr size_t kSubs = kBlock / F::kSub;
  Range range[kSubs];
  double deepest = 0;
  for (size_t s = 0; s < kSubs; ++s) {
    range[s] = range_of(source + s * F::kSub, F::kSub);
    deepest = std::max(deepest, -range[s].low);
  }
  block = {};
  const double dmin = store_f16_away_from_zero(deepest / F::kMaxScale, block.dmin);
  int minimum[kSubs];
  double step[kSubs];
  double widest = 0;
  for (size_t s = 0; s < kSubs; ++s) {
    minimum[s] = covering_steps(std::max(-range[s].low, 0.0), dmin, F::kMaxScale);
    step[s] = std::max(range[s].high + dmin * minimum[s], 0.0) / F::kMaxCode;
    widest = std::max(widest, step[s]);
  }
  const double d = store_f16_away_from_zero(widest / F::kMaxScale, block.d);
  for (size_t s = 0; s < kSubs; ++s) {
    const int scale = covering_steps(step[s], d, F::kMaxScale);
    F::put_scale(block, s, scale, minimum[s]);
    for (size_t i = s * F::kSub; i < (s + 1) * F::kSub; ++i) {
      F::put_code(block, i, nearest_step(finite(source[i]) + dmin * minimum[s], d * scale, 0, F::kMaxCode));
    }
  }
}

/// 16 sub-blocks of 16. scales[s] is scale | min << 4. Weight i of half h = i / 128 is two bits of qs[32 h +
/// i % 32].
struct Q2_K {
  struct Block {
    uint8_t scales[16];
    uint8_t qs[64];
    uint8_t d[2];
    uint8_t dmin[2];
  };
  static constexpr size_t kElements = kBlock;
  static constexpr size_t kSub = 16;
  static constexpr int kMaxCode = 3;
  static constexpr int kMaxScale = 15;

  static int scale(const Block& block, size_t s) { return block.scales[s] & 15; }
  static int minimum(const Block& block, size_t s) { return block.scales[s] >> 4; }
  static size_t byte(size_t i) { return i / 128 * 32 + i % 32; }
  static size_t shift(size_t i) { return i % 128 / 32 * 2; }
  static int code(const Block& block, size_t i) { return block.qs[byte(i)] >> shift(i) & 3; }
  static constexpr unsigned kCodeBits = 2;
  static uint64_t eight_codes(const Block& block, size_t p) {
    return load_eight(block.qs + byte(8 * p)) >> shift(8 * p) & eight_times(3);
  }

  static void put_scale(Block& block, size_t s, int scale, int minimum) {
    block.scales[s] = static_cast<uint8_t>(scale | minimum << 4);
  }
  static void put_code(Block& block, size_t i, int code) {
    block.qs[byte(i)] |= static_cast<uint8_t>(code << shift(i));
  }

  template <class Real>
  static void decode(const Block& block, Real* out) {
    decode_with_minimum<Q2_K>(block, out);
  }
  static void encode(const float* source, Block& block) { encode_with_minimum<Q2_K>(source, block); }
};

/// The 12 bytes of 8 scales and 8 minima, 6 bits each, of Q4_K and Q5_K: bytes 0..3 hold scales 0..3,
/// bytes 4..7 minima 0..3, each in its low 6 bits; byte 8 + k the low nibbles of scale 4 + k and (high)
/// minimum 4 + k, whose top two bits are those of bytes k and 4 + k.
struct Scales6 {
  uint8_t bytes[12];

  int scale(size_t s) const { return s < 4 ? bytes[s] & 63 : (bytes[s + 4] & 15) | (bytes[s - 4] >> 6) << 4; }
  int minimum(size_t s) const { return s < 4 ? bytes[s + 4] & 63 : bytes[s + 4] >> 4 | (bytes[s] >> 6) << 4; }
  /// All of them, as scale() and minimum() give them one by one.
  Pairs6 pairs() const {
    const uint32_t a = load_four(bytes);
    const uint32_t b = load_four(bytes + 4);
    const uint32_t c = load_four(bytes + 8);
    constexpr uint32_t kTop = four_times(3);
    return {{a & four_times(63), (c & four_times(15)) | (a >> 6 & kTop) << 4},
            {b & four_times(63), (c >> 4 & four_times(15)) | (b >> 6 & kTop) << 4}};
  }
  /// Into bytes that were zero.
  void put(size_t s, int scale, int minimum) {
    if (s < 4) {
      bytes[s] |= static_cast<uint8_t>(scale);
      bytes[s + 4] |= static_cast<uint8_t>(minimum);
    } else {
      bytes[s + 4] |= static_cast<uint8_t>((scale & 15) | (minimum & 15) << 4);
      bytes[s - 4] |= static_cast<uint8_t>(scale >> 4 << 6);
      bytes[s] |= static_cast<uint8_t>(minimum >> 4 << 6);
    }
  }
};

/// 8 sub-blocks of 32. Weight i is a nibble of qs[32 (i / 64) + i % 32], the high one in every second
/// sub-block; in Q5_K bit i / 32 of qh[i % 32] is its fifth bit.
template <class Fields>
struct Nibbles {
  using Block = Fields;
  static constexpr size_t kElements = kBlock;
  static constexpr size_t kSub = 32;
  static constexpr bool kFifthBit = requires(Block b) { b.qh; };
  static constexpr int kMaxCode = kFifthBit ? 31 : 15;
  static constexpr int kMaxScale = 63;

  static int scale(const Block& block, size_t s) { return block.scales.scale(s); }
  static int minimum(const Block& block, size_t s) { return block.scales.minimum(s); }
  static size_t byte(size_t i) { return i / 64 * 32 + i % 32; }
  static size_t shift(size_t i) { return i % 64 / 32 * 4; }
  static int code(const Block& block, size_t i) {
    int code = block.qs[byte(i)] >> shift(i) & 15;
    if constexpr (kFifthBit) code |= (block.qh[i % 32] >> (i / 32) & 1) << 4;
    return code;
  }

  static constexpr unsigned kCodeBits = kFifthBit ? 5 : 4;
  static uint64_t eight_codes(const Block& block, size_t p) {
    uint64_t codes = load_eight(block.qs + byte(8 * p)) >> shift(8 * p) & eight_times(15);
    if constexpr (kFifthBit) codes |= (load_eight(block.qh + 8 * p % 32) >> (p / 4) & eight_times(1)) << 4;
    return codes;
  }
  static Pairs6 pairs(const Block& block) { return block.scales.pairs(); }

  static void put_scale(Block& block, size_t s, int scale, int minimum) {
    block.scales.put(s, scale, minimum);
  }
  static void put_code(Block& block, size_t i, int code) {
    block.qs[byte(i)] |= static_cast<uint8_t>((code & 15) << shift(i));
    if constexpr (kFifthBit) block.qh[i % 32] |= static_cast<uint8_t>((code >> 4) << (i / 32));
  }

  template <class Real>
  static void decode(const Block& block, Real* out) {
    decode_with_minimum<Nibbles>(block, out);
  }
  static void encode(const float* source, Block& block) { encode_with_minimum<Nibbles>(source, block); }
};

struct BlockQ4_K {
  uint8_t d[2];
  uint8_t dmin[2];
  Scales6 scales;
  uint8_t qs[128];
};

struct BlockQ5_K {
  uint8_t d[2];
  uint8_t dmin[2];
  Scales6 scales;
  uint8_t qh[32];
  uint8_t qs[128];
};

}  // namespace

constinit const Codec kQ2_KCodec = codec_of<Q2_K>();
constinit const Codec kQ4_KCodec = codec_of<Nibbles<BlockQ4_K>>();
constinit const Codec kQ5_KCodec = codec_of<Nibbles<BlockQ5_K>>();

}  // namespace caldera::quant
