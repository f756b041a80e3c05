// IQ1_S: weight = d (2 scale + 1) (code - 1 + delta); delta and a scale of 3 bits for each 32.
#include "ternary.glsl"

/// `low`: the low bits of the group's two indices; `high`: the upper bits of its unit's four, scale and sign.
void expand_group(uint low, uint high, uint group, float d, out float q[16], out vec2 scale) {
  const uint bits = high >> (6 * (group & 1));
  expand_codes(ternary_codes(low, (bits & 7) << 8, (bits & 56) << 5), q);
  const float step = d * float((high >> 12 & 7) * 2 + 1);
  scale = step * vec2(1, (high & 0x8000u) == 0 ? -0.875 : -1.125);
}

#ifdef FILE_LAYOUT
// A block of 256 weights: d; low bits of the indices; upper bits.
void load_group(uint64_t row, uvec3 planes, uint group, out float q[16], out vec2 scale) {
  const uint64_t block = row + (group >> 4) * 50;
  const uint low = even_short(block + 2 + 2 * (group & 15));
  const uint high = even_short(block + 34 + (group & 14));
  expand_group(low, high, group, even_half(block), q, scale);
}
#else
// Planes: low bits, two bytes a group; upper bits, two bytes a unit of 32; d for each 256.
void load_group(uint64_t row, uvec3 planes, uint group, out float q[16], out vec2 scale) {
  const uint low = short_at(row, group);
  const uint high = short_at(row + planes.x, group >> 1);
  expand_group(low, high, group, half_at(row + planes.y, group >> 4), q, scale);
}
#endif

#ifdef INT8_DOT
const uint kLoadUnits = 4;
const uint kHalves = 1;
const uint kOddShift = 2;
const bool kUnsigned = false;
const bool kOffsets = true;
struct Packed {
  uvec4 low;
  uvec2 high;
  float d;
};

Packed load_packed(uint64_t row, uvec3 planes, uint unit) {
  return Packed(load_words4(row, unit >> 2), unpackUint2x32(Words64(row + planes.x).v[unit >> 2]),
                half_at(row + planes.y, unit >> 3));
}

void unpack(Packed packed, uint unit, uint index, out uint codes[8], out vec4 scale) {
  const uint low = packed.low[index];
  const uint high = packed.high[index >> 1] >> (16 * (index & 1));
  part_grid_words(low & 0xFFu | (high & 7) << 8, codes[0], codes[1]);
  part_grid_words(low >> 8 & 0xFFu | high << 5 & 0x700u, codes[2], codes[3]);
  part_grid_words(low >> 16 & 0xFFu | high << 2 & 0x700u, codes[4], codes[5]);
  part_grid_words(low >> 24 | high >> 1 & 0x700u, codes[6], codes[7]);
  const float step = packed.d * float((high >> 12 & 7) * 2 + 1);
  scale = vec4(step, 0, step * ((high & 0x8000u) == 0 ? -0.875 : -1.125), 0);
}
#endif
