// Units of 32 weights in the resident layout as f16, two at a time: half the instructions of half_units.glsl, for
// products that decode each weight for few vectors. A code is put into the last bits of 1024, so that a mask makes two
// floats of a word; scales and offsets are f16, which is off by 2^-12 of themselves.
// Of each four neighbouring weights the order is 0, 2, 1, 3: that of activations must be the same.
//   Packed load_unit(uint64_t row, uvec3 planes, uint unit)
//   void expand_unit(Packed loaded, uint unit, out uvec4 halves[4])   eight weights each, times kWeightScale
// The includer calls load_tables() once before it expands.
#define INT8_DOT  // for the loads and codes that products of int8 vectors take
const bool MIXED_DOT = false;
#include "weights.glsl"

/// Small scales would be subnormal: of 8-bit codes that of the smallest model. Weights stay below 8191.
const float kWeightScale = 8;

Packed load_unit(uint64_t row, uvec3 planes, uint unit) { return load_packed(row, planes, unit - unit % kLoadUnits); }

/// Two codes, in bits 0 to 7 and 16 to 23, as floats. Formats with offsets have unsigned codes.
f16vec2 codes_of(uint two) {
  const uint kBits = kOffsets ? 0x64006400u : 0x64806480u;
  return unpackFloat2x16(two & 0x00FF00FFu ^ kBits) - float16_t(kOffsets ? 1024 : 1152);
}

void expand_unit(Packed loaded, uint unit, out uvec4 halves[4]) {
  uint codes[8];
  vec4 scale;
  unpack(loaded, unit - unit % kLoadUnits, unit % kLoadUnits, codes, scale);
  scale *= kWeightScale;
  [[unroll]] for (uint w = 0; w < 8; ++w) {
    const uint part = kHalves == 2 ? w / 4 : 0;
    const float16_t factor = float16_t(scale[part] * (w % 2 == 1 ? 1.0 / float(1 << kOddShift) : 1.0));
    const f16vec2 offset = f16vec2(float16_t(kOffsets ? scale[2 + part] : 0));
    halves[w / 2][2 * (w % 2)] = packFloat2x16(fma(codes_of(codes[w]), f16vec2(factor), offset));
    halves[w / 2][2 * (w % 2) + 1] = packFloat2x16(fma(codes_of(codes[w] >> 8), f16vec2(factor), offset));
  }
}
