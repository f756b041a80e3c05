// Q5_1: weight = d code + m.
#ifdef FILE_LAYOUT
// A block of 32 weights: d and m, fifth bits, nibbles.
void load_group(uint64_t row, uvec3 planes, uint group, out float q[16], out vec2 scale) {
  const uint64_t block = row + (group >> 1) * 24;
  const uvec4 fifth = bits_of(Words(block).v[1], group & 1);
  expand_codes(nibbles_of(words4(block + 8), group & 1) | fifth << 4, q);
  scale = unpackHalf2x16(Words(block).v[0]);
}
#else
// Planes: nibbles; one bit; d and m for each unit of 32.
void load_group(uint64_t row, uvec3 planes, uint group, out float q[16], out vec2 scale) {
  expand_codes(nibbles_at(row, group) | one_bit_at(row + planes.x, group) << 4, q);
  scale = unpackHalf2x16(Words(row + planes.y).v[group >> 1]);
}
#endif

#ifdef INT8_DOT
const uint kLoadUnits = 1;
const uint kHalves = 1;
const uint kOddShift = 0;
const bool kUnsigned = false;
const bool kOffsets = true;
struct Packed {
  uvec4 nibbles;
  uint bits;
  uint scale;
};

Packed load_packed(uint64_t row, uvec3 planes, uint unit) {
  return Packed(load_words4(row, unit), Words(row + planes.x).v[unit], Words(row + planes.y).v[unit]);
}

void unpack(Packed packed, uint unit, uint index, out uint codes[8], out vec4 scale) {
  unpack_nibbles(packed.nibbles, codes);
  add_one_bit(packed.bits, 4, codes);
  const vec2 d = unpackHalf2x16(packed.scale);
  scale = vec4(d.x, 0, d.y, 0);
}
#endif
