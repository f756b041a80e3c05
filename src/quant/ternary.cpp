// IQ1_S and IQ1_M: eight weights are an entry of a grid of 2048 (11 bits), whose values -1, 0, 1 are moved by
// an eighth up or down: weight = d * (2 scale + 1) * (value + delta), a scale of 3 bits, delta 1/8 or -1/8.
// Layouts: https://github.com/ggml-org/ggml/blob/master/src/ggml-common.h (block_iq1_s, block_iq1_m).
#include <cstring>

#include "quant/codebook.hpp"
#include "quant/codec.hpp"
#include "quant/scale.hpp"

namespace caldera::quant {
namespace {

constexpr size_t kBlock = 256;
constexpr size_t kEight = 8;
constexpr double kDelta = 0.125;
constexpr double kCovered = 0.88;
constexpr int kMaxOdd = 15;  // 2 * 7 + 1

template <class Real>
void decode_eight(size_t index, bool down, Real step, Real* out) {
  const uint64_t codes = grid_codes(kIq1Grid, index);
  const Real delta = static_cast<Real>(down ? -kDelta : kDelta);
  for (size_t k = 0; k < kEight; ++k) {
    out[k] = step * (static_cast<Real>(grid_code(codes, k) - 1) + delta);
  }
}

/// The entry whose values, moved by delta, come near eight weights.
uint32_t nearest_entry(const float* source, bool down, double step) {
  static const NearestEntry nearest(kIq1Grid);
  int codes[kEight];
  for (size_t k = 0; k < kEight; ++k) {
    const double moved = finite(source[k]) - step * (down ? -kDelta : kDelta);
    codes[k] = 1 + nearest_step(moved, step, -1, 1);
  }
  return nearest.find(codes);
}

/// Whether delta is better taken off than added.
bool moves_down(const float* source, size_t count) {
  double sum = 0;
  for (size_t i = 0; i < count; ++i) sum += finite(source[i]);
  return sum < 0;
}

/// The steps with which 1 + delta covers most of each kSub of a block's weights, and the widest of them. With
/// all of it, rounding to three values would make the weights longer as a whole.
template <size_t kSub>
struct Steps {
  explicit Steps(const float* source) {
    for (size_t s = 0; s < kBlock / kSub; ++s) {
      needed[s] = std::abs(extreme_of(source + s * kSub, kSub)) / (1 + kDelta) * kCovered;
      widest = std::max(widest, needed[s]);
    }
  }
  double needed[kBlock / kSub];
  double widest = 0;
};

/// The scale, 0 to 7, whose 2 scale + 1 is the least to reach `needed`.
int scale_for(double needed, double d) {
  return covering_steps(needed, d, kMaxOdd) / 2;
}

/// qs: the low 8 bits of each index. Of the 16 bits of qh for each 32 weights: the upper 3 bits of four
/// indices, the scale, and at the top delta's sign.
struct IQ1_S {
  struct Block {
    uint8_t d[2];
    uint8_t qs[32];
    uint8_t qh[8][2];
  };
  static constexpr size_t kElements = kBlock;
  static constexpr size_t kSub = 32;

  template <class Real>
  static void decode(const Block& block, Real* out) {
    const Real d = load_f16(block.d);
    for (size_t u = 0; u < kBlock / kSub; ++u) {
      const size_t high = static_cast<size_t>(block.qh[u][0] | block.qh[u][1] << 8);
      const Real step = d * static_cast<Real>((high >> 12 & 7) * 2 + 1);
      for (size_t k = 0; k < 4; ++k) {
        const size_t eight = 4 * u + k;
        decode_eight(block.qs[eight] | (high >> (3 * k) & 7) << 8, (high & 0x8000) != 0, step,
                     out + kEight * eight);
      }
    }
  }

  static void encode(const float* source, Block& block) {
    block = {};
    const Steps<kSub> steps(source);
    const double d = store_f16_away_from_zero(steps.widest / kMaxOdd, block.d);
    for (size_t u = 0; u < kBlock / kSub; ++u) {
      const int scale = scale_for(steps.needed[u], d);
      const bool down = moves_down(source + u * kSub, kSub);
      uint32_t high = static_cast<uint32_t>(scale) << 12 | (down ? 0x8000U : 0U);
      for (size_t k = 0; k < 4; ++k) {
        const size_t eight = 4 * u + k;
        const uint32_t index = nearest_entry(source + kEight * eight, down, d * (2 * scale + 1));
        block.qs[eight] = static_cast<uint8_t>(index);
        high |= (index >> 8) << (3 * k);
      }
      block.qh[u][0] = static_cast<uint8_t>(high);
      block.qh[u][1] = static_cast<uint8_t>(high >> 8);
    }
  }
};

/// The resident layout of IQ1_S (resident.hpp): what 128 weights are, as six words.
void pack_128(const IQ1_S::Block& block, size_t half, uint32_t (&words)[6]) {
  for (size_t j = 0; j < 6; ++j) words[j] = 0;
  for (size_t u = 0; u < 4; ++u) {
    const size_t unit = 4 * half + u;
    const uint32_t high = block.qh[unit][0] | uint32_t{block.qh[unit][1]} << 8;
    uint32_t index[4];
    for (size_t k = 0; k < 4; ++k) index[k] = block.qs[4 * unit + k] | (high >> (3 * k) & 7) << 8;
    words[u] |= index[0] | index[1] << 21 | (index[2] & 0x3FF) << 11;
    const size_t shared = 4 + u / 2;
    words[shared] |= index[3] << (u % 2 * 21);
    words[shared] |= (index[2] >> 10) << (11 + u % 2) | (high >> 12) << (13 + 4 * (u % 2));
  }
}

/// Words [kFirst, kFirst + kCount) of every 128 weights.
template <size_t kFirst, size_t kCount>
void pack_words(const std::byte* source, size_t blocks, std::byte* out) {
  const auto* block = reinterpret_cast<const IQ1_S::Block*>(source);
  for (size_t i = 0; i < 2 * blocks; ++i) {
    uint32_t words[6];
    pack_128(block[i / 2], i % 2, words);
    std::memcpy(out + i * 4 * kCount, words + kFirst, 4 * kCount);
  }
}

constexpr Codec with_words(Codec codec) {
  codec.codes[0] = pack_words<0, 4>;
  codec.codes[1] = pack_words<4, 2>;
  return codec;
}

/// qs: the low 8 bits of each index; nibble k of qh: its upper 3 bits, and delta's sign. Scales are 3 bits
/// for each 16 weights, four in the lower 12 bits of each of four 16-bit words, whose upper nibbles are d.
struct IQ1_M {
  struct Block {
    uint8_t qs[32];
    uint8_t qh[16];
    uint8_t scales[4][2];
  };
  static constexpr size_t kElements = kBlock;
  static constexpr size_t kSub = 16;

  template <class Real>
  static void decode(const Block& block, Real* out) {
    uint8_t bytes[2] = {};
    for (size_t k = 0; k < 4; ++k) {
      bytes[k / 2] |= static_cast<uint8_t>(block.scales[k][1] >> 4 << (k % 2 * 4));
    }
    const Real d = load_f16(bytes);
    for (size_t eight = 0; eight < kBlock / kEight; ++eight) {
      const size_t sub = eight / 2;
      const int four = block.scales[sub / 4][0] | block.scales[sub / 4][1] << 8;
      const Real step = d * static_cast<Real>((four >> (sub % 4 * 3) & 7) * 2 + 1);
      const int high = block.qh[sub] >> (eight % 2 * 4);
      decode_eight(block.qs[eight] | static_cast<size_t>(high & 7) << 8, (high & 8) != 0, step,
                   out + kEight * eight);
    }
  }

  static void encode(const float* source, Block& block) {
    block = {};
    const Steps<kSub> steps(source);
    uint8_t bytes[2];
    const double d = store_f16_away_from_zero(steps.widest / kMaxOdd, bytes);
    uint32_t words[4];
    for (size_t k = 0; k < 4; ++k) words[k] = (bytes[k / 2] >> (k % 2 * 4) & 15U) << 12;
    for (size_t eight = 0; eight < kBlock / kEight; ++eight) {
      const size_t sub = eight / 2;
      const int scale = scale_for(steps.needed[sub], d);
      words[sub / 4] |= static_cast<uint32_t>(scale) << (sub % 4 * 3);
      const float* weights = source + kEight * eight;
      const bool down = moves_down(weights, kEight);
      const uint32_t index = nearest_entry(weights, down, d * (2 * scale + 1));
      block.qs[eight] = static_cast<uint8_t>(index);
      block.qh[sub] |= static_cast<uint8_t>((index >> 8 | (down ? 8U : 0U)) << (eight % 2 * 4));
    }
    for (size_t k = 0; k < 4; ++k) {
      block.scales[k][0] = static_cast<uint8_t>(words[k]);
      block.scales[k][1] = static_cast<uint8_t>(words[k] >> 8);
    }
  }
};

}  // namespace

constinit const Codec kIQ1_SCodec = with_words(codec_of<IQ1_S>());
constinit const Codec kIQ1_MCodec = codec_of<IQ1_M>();

}  // namespace caldera::quant
