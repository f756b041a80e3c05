// IQ2_XXS: weight = d (2 scale + 1) / 8 magnitude, 8, 25 or 43, with its sign; a scale of 4 bits for each 32.
#include "grid.glsl"

/// Codes 0, 1, 2 in each byte to 8, 25, 43: 17 code + 8, and one more for 2.
uvec2 magnitudes(uvec2 codes) { return (codes | codes << 4) + (codes >> 1 & 0x01010101u) + 0x08080808u; }

/// `unit.x`: four indices; `unit.y`: seven signs for each, and the scale.
void expand_group(uvec2 unit, uint group, float d, out float q[16], out vec2 scale) {
  const uint indices = unit.x >> (16 * (group & 1));
  expand_codes(uvec4(magnitudes(grid_codes(indices & 0xFFu)), magnitudes(grid_codes(indices >> 8 & 0xFFu))), q);
  const uint both = unit.y >> (14 * (group & 1));
  [[unroll]] for (uint k = 0; k < 2; ++k) {
    const uint seven = both >> (7 * k) & 127;
    const uint signs = seven | uint(bitCount(seven)) << 7;  // an even number of them is set
    [[unroll]] for (uint i = 0; i < 8; ++i) {
      q[8 * k + i] = uintBitsToFloat(floatBitsToUint(q[8 * k + i]) ^ (signs << (31 - i) & 0x80000000u));
    }
  }
  scale = vec2(d * float((unit.y >> 28) * 2 + 1) * 0.125, 0);
}

#ifdef FILE_LAYOUT
// A block of 256 weights: d; 8 bytes for each unit of 32.
void load_group(uint64_t row, uvec3 planes, uint group, out float q[16], out vec2 scale) {
  const uint64_t block = row + (group >> 4) * 66;
  const uint64_t unit = block + 2 + 4 * (group & 14);
  expand_group(uvec2(even_word(unit), even_word(unit + 4)), group, even_half(block), q, scale);
}
#else
// Planes: 8 bytes for each unit of 32; d for each 256.
void load_group(uint64_t row, uvec3 planes, uint group, out float q[16], out vec2 scale) {
  expand_group(unpackUint2x32(Words64(row).v[group >> 1]), group, half_at(row + planes.x, group >> 4), q, scale);
}
#endif

#ifdef INT8_DOT
const uint kLoadUnits = 2;
const uint kHalves = 1;
const uint kOddShift = 0;
const bool kUnsigned = false;
const bool kOffsets = false;
struct Packed {
  uvec4 units;
  float d;
};

Packed load_packed(uint64_t row, uvec3 planes, uint unit) {
  return Packed(load_words4(row, unit >> 1), half_at(row + planes.x, unit >> 3));
}

/// Four magnitudes with the signs of the low four bits of `signs`.
uint signed_bytes(uint magnitudes, uint signs) {
  const uint negative = (signs & 15) * 0x00204081u & 0x01010101u;
  // Two's complement in each byte: magnitudes are not zero, so adding 1 to their complement carries nowhere.
  // 255 times that is a shift and a subtraction, where a multiplication of 32 bits takes four cycles.
  return (magnitudes ^ ((negative << 8) - negative)) + negative;
}

void unpack(Packed packed, uint unit, uint index, out uint codes[8], out vec4 scale) {
  const uvec2 both = index == 0 ? packed.units.xy : packed.units.zw;
  [[unroll]] for (uint i = 0; i < 4; ++i) {
    uint first, second;
    grid_words(both.x >> (8 * i) & 0xFFu, first, second);
    const uvec2 sizes = magnitudes(uvec2(first, second));
    const uint seven = both.y >> (7 * i) & 127;
    const uint signs = seven | uint(bitCount(seven)) << 7;  // an even number of them is set
    codes[2 * i] = signed_bytes(sizes.x, signs);
    codes[2 * i + 1] = signed_bytes(sizes.y, signs >> 4);
  }
  scale = vec4(packed.d * float((both.y >> 28) * 2 + 1) * 0.125, 0, 0, 0);
}
#endif
