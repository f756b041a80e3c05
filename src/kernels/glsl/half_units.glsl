// Units of 32 weights as f16, for matrix units. Loading is apart from expanding, so that the one can be under way while
// something else is computed:
//   Loaded load_unit(uint64_t row, uvec3 planes, uint unit)
//   void expand_unit(Loaded loaded, uint unit, out uvec4 halves[4])   eight weights each, two a word
// Includes weights.glsl; the includer calls load_tables() once before it expands.
#if defined(FORMAT_F32) || defined(FORMAT_F16) || defined(FORMAT_BF16) || defined(FILE_LAYOUT)
#include "weights.glsl"
void load_tables() {}
#else
#define INT8_DOT  // for the loads and codes that products of int8 vectors take
const bool MIXED_DOT = false;
#include "weights.glsl"
#endif

#include "halves.glsl"

#if defined(FORMAT_F16)
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

/// Formats with offsets have unsigned codes, which some devices make floats in one instruction, signed ones in two.
float code_at(uint word, int i) {
  return kOffsets ? float(bitfieldExtract(word, 8 * i, 8)) : float(bitfieldExtract(int(word), 8 * i, 8));
}

void expand_unit(Loaded loaded, uint unit, out uvec4 halves[4]) {
  uint codes[8];
  vec4 scale;
  unpack(loaded, unit - unit % kLoadUnits, unit % kLoadUnits, codes, scale);
  const float kOdd = 1.0 / float(1 << kOddShift);
  [[unroll]] for (uint w = 0; w < 8; ++w) {
    const uint part = kHalves == 2 ? w / 4 : 0;
    const float step = scale[part] * (w % 2 == 1 ? kOdd : 1.0);
    const float offset = kOffsets ? scale[2 + part] : 0;
    const uint word = codes[w];
    const vec2 low = vec2(fma(code_at(word, 0), step, offset), fma(code_at(word, 1), step, offset));
    const vec2 high = vec2(fma(code_at(word, 2), step, offset), fma(code_at(word, 3), step, offset));
    halves[w / 2][2 * (w % 2)] = packHalf2x16(low);
    halves[w / 2][2 * (w % 2) + 1] = packHalf2x16(high);
  }
}
#endif
