// Units of 32 weights as f16, or with BF16_INPUTS those in bf16 as they are, for matrix units. Loading is apart from
// expanding, so that the one can be under way while something else is computed:
//   Loaded load_unit(uint64_t row, uvec3 planes, uint unit)
//   void expand_unit(Loaded loaded, uint unit, out uvec4 halves[4])   eight weights each, two a word
// Includes weights.glsl; the includer calls load_tables() once before it expands.
#if defined(FORMAT_F32) || defined(FORMAT_F16) || defined(FORMAT_BF16) || defined(FILE_LAYOUT)
#include "weights.glsl"
void load_tables() {}
#else
#define INT8_DOT  // for the loads and codes that products of int8 vectors take
const bool MIXED_DOT = true;  // upper nibbles stay where they are: kOddShift tells
#include "weights.glsl"
#endif

#include "halves.glsl"

#if defined(FORMAT_F16) || defined(BF16_INPUTS)
struct Loaded {
  uvec4 words[4];
};

Loaded load_unit(uint64_t row, uvec3 planes, uint unit) {
  Loaded loaded;
  [[unroll]] for (uint i = 0; i < 4; ++i) loaded.words[i] = load_words4(row, 4 * unit + i);
  return loaded;
}

void expand_unit(Loaded loaded, uint unit, out uvec4 halves[4]) { halves = loaded.words; }
#elif defined(FORMAT_BF16)
struct Loaded {
  uvec4 words[4];
};

Loaded load_unit(uint64_t row, uvec3 planes, uint unit) {
  Loaded loaded;
  [[unroll]] for (uint i = 0; i < 4; ++i) loaded.words[i] = load_words4(row, 4 * unit + i);
  return loaded;
}

void expand_unit(Loaded loaded, uint unit, out uvec4 halves[4]) {
  [[unroll]] for (uint i = 0; i < 16; ++i) {
    const uint two = loaded.words[i / 4][i % 4];
    halves[i / 4][i % 4] = pack_halves(vec2(uintBitsToFloat(two << 16), uintBitsToFloat(two & 0xFFFF0000u)));
  }
}
#elif defined(FORMAT_F32)
struct Loaded {
  vec4 values[8];
};

Loaded load_unit(uint64_t row, uvec3 planes, uint unit) {
  Loaded loaded;
  [[unroll]] for (uint i = 0; i < 8; ++i) loaded.values[i] = load_floats4(row, 8 * unit + i);
  return loaded;
}

void expand_unit(Loaded loaded, uint unit, out uvec4 halves[4]) {
  [[unroll]] for (uint i = 0; i < 4; ++i) {
    halves[i] = uvec4(pack_halves(loaded.values[2 * i]), pack_halves(loaded.values[2 * i + 1]));
  }
}
#elif defined(FILE_LAYOUT)
// Blocks take so many loads that what is loaded would not stay in registers: they are expanded at once.
struct Loaded {
  uvec4 halves[4];
};

Loaded load_unit(uint64_t row, uvec3 planes, uint unit) {
  Loaded loaded;
  [[unroll]] for (uint h = 0; h < 2; ++h) {
    float q[16];
    vec2 scale;
    load_group(row, planes, 2 * unit + h, q, scale);
    [[unroll]] for (uint i = 0; i < 8; ++i) {
      const vec2 two = vec2(fma(q[2 * i], scale.x, scale.y), fma(q[2 * i + 1], scale.x, scale.y));
      loaded.halves[2 * h + i / 4][i % 4] = packHalf2x16(two);
    }
  }
  return loaded;
}

void expand_unit(Loaded loaded, uint unit, out uvec4 halves[4]) { halves = loaded.halves; }
#else
#define Loaded Packed

Loaded load_unit(uint64_t row, uvec3 planes, uint unit) {
  return load_packed(row, planes, unit - unit % kLoadUnits);
}

// Codes become halves by their bits, two at a time: 0x6400 | code is the half 1024 + code. Conversions would take
// longer: NVIDIA's Hopper makes floats of integers of 8 bits at an eighth of the rate of other instructions. A code
// less what stands for zero is exact; scale and offset are rounded to f16, and the weight once more.
#if defined(FORMAT_Q6_K)
const int kMiddle = 32;  // the offset of these formats is so many times their scale: no rounding in it
#elif defined(FORMAT_Q5_0)
const int kMiddle = 16;
#elif defined(FORMAT_Q4_0)
const int kMiddle = 8;
#elif defined(FORMAT_Q3_K)
const int kMiddle = 4;
#else
const int kMiddle = 0;
#endif
const bool kScaleOnly = !kOffsets || kMiddle > 0;
// Codes are put in pairs before they become weights, or after: on an H200 the first is 5 % faster for plain nibbles,
// the second 2 to 10 % for what is put together from planes.
const bool kNibbles = kOddShift == 4;

/// The weights of two codes, of which `code_bits` has one in each half word; `zero`: what stands for zero, with 1024.
f16vec2 weights_of(uint code_bits, float16_t zero, float16_t step, float16_t offset) {
  const f16vec2 codes = unpackFloat2x16(code_bits | 0x64006400u) - f16vec2(zero);
  return kScaleOnly ? codes * step : fma(codes, f16vec2(step), f16vec2(offset));
}

void expand_unit(Loaded loaded, uint unit, out uvec4 halves[4]) {
  uint codes[8];
  vec4 scale;
  unpack(loaded, unit - unit % kLoadUnits, unit % kLoadUnits, codes, scale);
  [[unroll]] for (uint w = 0; w < 8; ++w) {
    const uint part = kHalves == 2 ? w / 4 : 0;
    const uint shift = w % 2 == 1 ? kOddShift : 0;
    const float16_t step = float16_t(scale[part] / float(1 << shift));
    const float16_t offset = kScaleOnly ? float16_t(0) : float16_t(scale[2 + part]);
    // Codes without offsets are signed: 128 more makes bytes of them that are not.
    const float16_t zero = float16_t(1024 + (kOffsets ? kMiddle << shift : 128));
    const uint word = kOffsets ? codes[w] : codes[w] ^ 0x80808080u;
    f16vec2 low, high;
    if (kNibbles) {
      low = weights_of(word & 0xFFu | word << 8 & 0x00FF0000u, zero, step, offset);
      high = weights_of(word >> 16 & 0xFFu | word >> 8 & 0x00FF0000u, zero, step, offset);
    } else {
      const f16vec2 even = weights_of(word & 0x00FF00FFu, zero, step, offset);
      const f16vec2 odd = weights_of(word >> 8 & 0x00FF00FFu, zero, step, offset);
      low = f16vec2(even.x, odd.x);
      high = f16vec2(even.y, odd.y);
    }
    halves[w / 2][2 * (w % 2)] = packFloat2x16(low);
    halves[w / 2][2 * (w % 2) + 1] = packFloat2x16(high);
  }
}
#endif
