// IQ1_M: weight = d (2 scale + 1) (code - 1 + delta); a scale of 3 bits for each group, delta for each 8.
#include "ternary.glsl"

/// `low`: the low bits of the group's two indices; `high`: for each their upper bits and a sign; `scales`: the 8 bytes
/// of scales and, in their words' upper nibbles, d.
void expand_group(uint low, uint high, uint group, uvec2 scales, out float q[16], out vec2 scale) {
  expand_codes(ternary_codes(low, (high & 0x07) << 8, (high & 0x70) << 4), q);
  const uint four = ((group & 8) == 0 ? scales.x : scales.y) >> (4 * (group & 4));
  const uint d = (scales.x >> 12 & 0xFu) | (scales.x >> 24 & 0xF0u) | (scales.y >> 4 & 0xF00u) |
                 (scales.y >> 16 & 0xF000u);
  const float step = unpackHalf2x16(d).x * float((four >> (3 * (group & 3)) & 7) * 2 + 1);
  // A group has one offset: the first delta. Where the second is another, its codes are moved.
  const float first = (high & 0x08) == 0 ? 0.125 : -0.125;
  const float second = (high & 0x80) == 0 ? 0.125 : -0.125;
  [[unroll]] for (uint i = 8; i < 16; ++i) q[i] += second - first;
  scale = step * vec2(1, first - 1);
}

#ifdef FILE_LAYOUT
// A block of 256 weights: low bits of the indices; upper bits and signs; scales and d.
void load_group(uint64_t row, uvec3 planes, uint group, out float q[16], out vec2 scale) {
  const uint64_t block = row + (group >> 4) * 56;
  const uint low = even_short(block + 2 * (group & 15));
  const uint high = byte_of_block(block + 32 + (group & 15));
  expand_group(low, high, group, unpackUint2x32(Words64(block).v[6]), q, scale);
}
#else
// Planes: low bits, two bytes a group; upper bits and signs, a byte a group; scales and d for each 256.
void load_group(uint64_t row, uvec3 planes, uint group, out float q[16], out vec2 scale) {
  const uint low = short_at(row, group);
  const uint high = byte_of_plane(row + planes.x, group);
  expand_group(low, high, group, unpackUint2x32(Words64(row + planes.y).v[group >> 4]), q, scale);
}
#endif

#ifdef INT8_DOT
const uint kLoadUnits = 4;
const uint kHalves = 2;
const uint kOddShift = 0;
const bool kUnsigned = false;
const bool kOffsets = true;
struct Packed {
  uvec4 low;
  uvec2 high;
  uvec2 scales;
};

Packed load_packed(uint64_t row, uvec3 planes, uint unit) {
  return Packed(load_words4(row, unit >> 2), unpackUint2x32(Words64(row + planes.x).v[unit >> 2]),
                unpackUint2x32(Words64(row + planes.y).v[unit >> 3]));
}

/// Eight weights as 8 code + 2 or, where delta is negative, 8 code: 9 stands for zero, so that delta is in the code.
void delta_words(uint low, uint high, out uint first, out uint second) {
  grid_words(low & 0xFFu | (high & 7) << 8, first, second);
  const uint delta = (high & 8) == 0 ? 0x02020202u : 0;
  first = (first << 3) + delta;
  second = (second << 3) + delta;
}

void unpack(Packed packed, uint unit, uint index, out uint codes[8], out vec4 scale) {
  const uint low = packed.low[index];
  const uint high = packed.high[index >> 1] >> (16 * (index & 1));
  [[unroll]] for (uint i = 0; i < 4; ++i) delta_words(low >> (8 * i), high >> (4 * i), codes[2 * i], codes[2 * i + 1]);
  const uvec2 scales = packed.scales;
  const uint four = ((unit & 4) == 0 ? scales.x : scales.y) >> (16 * (index >> 1) + 6 * (index & 1));
  const uint d = (scales.x >> 12 & 0xFu) | (scales.x >> 24 & 0xF0u) | (scales.y >> 4 & 0xF00u) |
                 (scales.y >> 16 & 0xF000u);
  const vec2 steps = unpackHalf2x16(d).x * 0.125 * vec2((four & 7) * 2 + 1, (four >> 3 & 7) * 2 + 1);
  scale = vec4(steps, -9 * steps);
}
#endif
