// IQ4_NL, IQ4_XS and MXFP4: codes of 4 bits that index a table of 16 values.
// Layouts: https://github.com/ggml-org/ggml/blob/master/src/ggml-common.h (block_iq4_nl, block_iq4_xs,
// block_mxfp4). MXFP4 is the OCP Microscaling format of that name (e2m1 elements, an e8m0 scale for 32):
// https://www.opencompute.org/documents/ocp-microscaling-formats-mx-v1-0-spec-final-pdf
#include "quant/codec.hpp"
#include "quant/codes4.hpp"
#include "quant/scale.hpp"

namespace caldera::quant {
namespace {

constexpr size_t kUnitWeights = 32;

constexpr int8_t kIq4Values[16] = {
#include "quant/codebooks/iq4_values.inc"
};
/// Twice the values that e2m1 stands for, so that they are integers.
constexpr int8_t kMxfp4Values[16] = {
#include "quant/codebooks/mxfp4_values.inc"
};

/// Decodes 32 weights: step times their values.
template <class Real>
void decode_values(const Codes4& codes, const int8_t (&values)[16], Real step, Real* out) {
  for (size_t i = 0; i < kUnitWeights; ++i) out[i] = step * static_cast<Real>(values[codes.get(i)]);
}

/// Gives each of 32 weights the code of the value nearest to weight / step; the first where there is no step.
void encode_values(const float* source, const int8_t (&values)[16], double step, Codes4& codes) {
  codes.clear();
  for (size_t i = 0; i < kUnitWeights; ++i) {
    const double wanted = step == 0 ? 0 : finite(source[i]) / step;
    const auto distance = [&](int8_t value) { return std::abs(value - wanted); };
    const int8_t* nearest = std::ranges::min_element(values, {}, distance);
    codes.put(i, static_cast<int>(nearest - values));
  }
}

/// The step that gives the weight of greatest magnitude the first value, -127, which reaches furthest.
double iq4_step(const float* source) {
  return extreme_of(source, kUnitWeights) / kIq4Values[0];
}

/// weight = d * value.
struct IQ4_NL {
  struct Block {
    uint8_t d[2];
    Codes4 codes;
  };
  static constexpr size_t kElements = kUnitWeights;

  static constexpr unsigned kCodeBits = 4;
  static uint64_t eight_codes(const Block& block, size_t p) { return block.codes.get_eight(p); }

  template <class Real>
  static void decode(const Block& block, Real* out) {
    decode_values<Real>(block.codes, kIq4Values, load_f16(block.d), out);
  }
  static void encode(const float* source, Block& block) {
    encode_values(source, kIq4Values, store_f16_away_from_zero(iq4_step(source), block.d), block.codes);
  }
};

/// weight = d * scale * value, a scale of 6 bits for each 32, stored with 32 added: its low nibble in
/// scales_l[u / 2] (the high one for odd u), its top two bits are bits 2 u and 2 u + 1 of scales_h.
struct IQ4_XS {
  struct Block {
    uint8_t d[2];
    uint8_t scales_h[2];
    uint8_t scales_l[4];
    Codes4 codes[8];
  };
  static constexpr size_t kElements = 256;
  static constexpr size_t kUnits = kElements / kUnitWeights;
  static constexpr int kMaxScale = 31;

  static constexpr unsigned kCodeBits = 4;
  static uint64_t eight_codes(const Block& block, size_t p) { return block.codes[p / 4].get_eight(p % 4); }

  static int scale(const Block& block, size_t u) {
    const int low = block.scales_l[u / 2] >> (u % 2 * 4) & 15;
    const int high = block.scales_h[u / 4] >> (u % 4 * 2) & 3;
    return (low | high << 4) - 32;
  }
  static void put_scale(Block& block, size_t u, int scale) {
    const int stored = scale + 32;
    block.scales_l[u / 2] |= static_cast<uint8_t>((stored & 15) << (u % 2 * 4));
    block.scales_h[u / 4] |= static_cast<uint8_t>((stored >> 4) << (u % 4 * 2));
  }

  template <class Real>
  static void decode(const Block& block, Real* out) {
    const Real d = load_f16(block.d);
    for (size_t u = 0; u < kUnits; ++u) {
      decode_values<Real>(block.codes[u], kIq4Values, d * static_cast<Real>(scale(block, u)),
                          out + u * kUnitWeights);
    }
  }
  static void encode(const float* source, Block& block) {
    double step[kUnits];
    double widest = 0;
    for (size_t u = 0; u < kUnits; ++u) {
      step[u] = iq4_step(source + u * kUnitWeights);
      widest = std::max(widest, std::abs(step[u]));
    }
    block = {};
    const double d = store_f16_away_from_zero(widest / kMaxScale, block.d);
    for (size_t u = 0; u < kUnits; ++u) {
      const int magnitude = covering_steps(std::abs(step[u]), d, kMaxScale);
      const int scale = step[u] < 0 ? -magnitude : magnitude;
      put_scale(block, u, scale);
      encode_values(source + u * kUnitWeights, kIq4Values, d * scale, block.codes[u]);
    }
  }
};

/// weight = 2^(e - 127) * value / 2.
struct MXFP4 {
  struct Block {
    uint8_t e;
    Codes4 codes;
  };
  static constexpr size_t kElements = kUnitWeights;

  static constexpr unsigned kCodeBits = 4;
  static uint64_t eight_codes(const Block& block, size_t p) { return block.codes.get_eight(p); }

  /// What a value of the table is worth. (The standard has e = 255 for NaN; files do not use it, and the gguf
  /// package takes it for 2^127.)
  static double step(uint8_t e) { return std::ldexp(1.0, e - 128); }

  template <class Real>
  static void decode(const Block& block, Real* out) {
    decode_values(block.codes, kMxfp4Values, static_cast<Real>(step(block.e)), out);
  }
  static void encode(const float* source, Block& block) {
    // The least power of two with which 12 covers all weights; from e = 253 up 12 steps are beyond a float.
    const double needed = std::abs(extreme_of(source, kUnitWeights)) / 12;
    int exponent = 0;
    if (std::frexp(needed, &exponent) == 0.5) --exponent;
    block.e = static_cast<uint8_t>(needed == 0 ? 0 : std::clamp(exponent + 128, 0, 252));
    encode_values(source, kMxfp4Values, step(block.e), block.codes);
  }
};

}  // namespace

constinit const Codec kIQ4_NLCodec = codec_of<IQ4_NL>();
constinit const Codec kIQ4_XSCodec = codec_of<IQ4_XS>();
constinit const Codec kMXFP4Codec = codec_of<MXFP4>();

}  // namespace caldera::quant
