// IQ4_XS: weight = d (scale - 32) value, a scale of 6 bits for each 32.
const int kValues[16] = int[](
#include "quant/codebooks/iq4_values.inc"
);
#include "values.glsl"

/// `head`: d, upper bits of the scales, and their low nibbles.
float step_of(uvec2 head, uint unit) {
  const uint stored = (head.y >> (4 * unit) & 15) | (head.x >> (16 + 2 * unit) & 3) << 4;
  return unpackHalf2x16(head.x).x * (float(stored) - 32);
}

#ifdef FILE_LAYOUT
// A block of 256 weights: the head; nibbles, of 32 weights in 16 bytes.
void load_group(uint64_t row, uvec3 planes, uint group, out float q[16], out vec2 scale) {
  const uint64_t block = row + (group >> 4) * 136;
  expand_values(nibbles_of(words4(block + 8 + 8 * (group & 14)), group & 1), q);
  scale = vec2(step_of(unpackUint2x32(Words64(block).v[0]), group >> 1 & 7), 0);
}
#else
// Planes: nibbles; the head for each 256.
void load_group(uint64_t row, uvec3 planes, uint group, out float q[16], out vec2 scale) {
  expand_values(nibbles_at(row, group), q);
  scale = vec2(step_of(unpackUint2x32(Words64(row + planes.x).v[group >> 4]), group >> 1 & 7), 0);
}
#endif

#ifdef INT8_DOT
const uint kLoadUnits = 1;
const uint kHalves = 1;
const uint kOddShift = 0;
const bool kUnsigned = false;
const bool kOffsets = false;
struct Packed {
  uvec4 nibbles;
  uvec2 head;
};

Packed load_packed(uint64_t row, uvec3 planes, uint unit) {
  return Packed(load_words4(row, unit), unpackUint2x32(Words64(row + planes.x).v[unit >> 3]));
}

void unpack(Packed packed, uint unit, uint index, out uint codes[8], out vec4 scale) {
  unpack_values(packed.nibbles, codes);
  scale = vec4(step_of(packed.head, unit & 7), 0, 0, 0);
}
#endif
