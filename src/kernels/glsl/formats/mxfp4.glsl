// MXFP4: weight = 2^(e - 128) value, the values twice those of e2m1.
const int kValues[16] = int[](
#include "quant/codebooks/mxfp4_values.inc"
);
#include "values.glsl"

/// 2^(e - 128): a float's exponent is one less, and the first two are subnormal.
float power(uint e) { return uintBitsToFloat(e < 2 ? 0x00200000u << e : (e - 1) << 23); }

#ifdef FILE_LAYOUT
// A block of 32 weights: e, nibbles.
void load_group(uint64_t row, uvec3 planes, uint group, out float q[16], out vec2 scale) {
  const uint64_t block = row + (group >> 1) * 17;
  expand_values(nibbles_of(any_words4(block + 1), group & 1), q);
  scale = vec2(power(byte_of_block(block)), 0);
}
#else
// Planes: nibbles; e for each unit of 32.
void load_group(uint64_t row, uvec3 planes, uint group, out float q[16], out vec2 scale) {
  expand_values(nibbles_at(row, group), q);
  scale = vec2(power(byte_of_plane(row + planes.x, group >> 1)), 0);
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
  float d;
};

Packed load_packed(uint64_t row, uvec3 planes, uint unit) {
  return Packed(load_words4(row, unit), power(byte_of_plane(row + planes.x, unit)));
}

void unpack(Packed packed, uint unit, uint index, out uint codes[8], out vec4 scale) {
  unpack_values(packed.nibbles, codes);
  scale = vec4(packed.d, 0, 0, 0);
}
#endif
