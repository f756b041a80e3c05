// IQ1_S: weight = d (2 scale + 1) (code - 1 + delta); delta and a scale of 3 bits for each 32.
#include "ternary.glsl"

#ifdef FILE_LAYOUT
/// `low`: the low bits of the group's two indices; `high`: the upper bits of its unit's four, scale and sign.
void expand_group(uint low, uint high, uint group, float d, out float q[16], out vec2 scale) {
  const uint bits = high >> (6 * (group & 1));
  expand_codes(ternary_codes(low, (bits & 7) << 8, (bits & 56) << 5), q);
  const float step = d * float((high >> 12 & 7) * 2 + 1);
  scale = step * vec2(1, (high & 0x8000u) == 0 ? -0.875 : -1.125);
}

// A block of 256 weights: d; low bits of the indices; upper bits.
void load_group(uint64_t row, uvec3 planes, uint group, out float q[16], out vec2 scale) {
  const uint64_t block = row + (group >> 4) * 50;
  const uint low = even_short(block + 2 + 2 * (group & 15));
  const uint high = even_short(block + 34 + (group & 14));
  expand_group(low, high, group, even_half(block), q, scale);
}
#else
// Planes: six words for each 128 weights (quant/resident.hpp), four and two; d for each 256.
void load_group(uint64_t row, uvec3 planes, uint group, out float q[16], out vec2 scale) {
  const uint unit = group >> 1;
  const uint own = Words(row).v[unit];
  const uint pair = Words(row + planes.x).v[unit >> 1];
  const uint odd = unit & 1;
  const uvec2 indices = (group & 1) == 0 ? uvec2(own & 0x7FFu, own >> 21)
                                         : uvec2(own >> 11 & 0x3FFu | (pair >> (11 + odd) & 1) << 10,
                                                 pair >> (21 * odd) & 0x7FFu);
  expand_codes(uvec4(grid_codes(indices.x), grid_codes(indices.y)), q);
  const uint bits = pair >> (13 + 4 * odd);
  const float step = half_at(row + planes.y, group >> 4) * float((bits & 7) * 2 + 1);
  scale = step * vec2(1, (bits & 8) == 0 ? -0.875 : -1.125);
}
#endif

#ifdef INT8_DOT
const uint kLoadUnits = 4;
const uint kHalves = 1;
const uint kOddShift = 2;
const bool kUnsigned = false;
const bool kOffsets = true;
struct Packed {
  uvec4 own;
  uvec2 pairs;
  float d;
};

Packed load_packed(uint64_t row, uvec3 planes, uint unit) {
  return Packed(load_words4(row, unit >> 2), unpackUint2x32(Words64(row + planes.x).v[unit >> 2]),
                half_at(row + planes.y, unit >> 3));
}

// Instructions are what this format is short of: scale and sign become floats by the bits they are made of.
void unpack(Packed packed, uint unit, uint index, out uint codes[8], out vec4 scale) {
  const uint own = packed.own[index];
  const uint pair = packed.pairs[index >> 1];
  const bool odd = (index & 1) == 1;
  part_grid_words(own & 0x7FFu, codes[0], codes[1]);
  part_grid_words(own >> 21, codes[2], codes[3]);
  part_grid_words(own >> 11 & 0x3FFu | pair >> (odd ? 2 : 1) & 0x400u, codes[4], codes[5]);
  part_grid_words(odd ? pair >> 21 : pair & 0x7FFu, codes[6], codes[7]);
  const float scale_eighth = uintBitsToFloat((odd ? pair << 3 : pair << 7) & 0x00700000u | 0x3F800000u);  // 1 + scale / 8
  const float delta = uintBitsToFloat((odd ? pair << 11 : pair << 15) & 0x80000000u ^ 0x3E000000u);  // 1/8 or -1/8
  const float step = fma(16 * packed.d, scale_eighth, -15 * packed.d);
  scale = vec4(step, 0, step * (delta - 1), 0);
}
#endif
