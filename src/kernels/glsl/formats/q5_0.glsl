// Q5_0: weight = d (code - 16).
#ifdef FILE_LAYOUT
// A block of 32 weights: d, fifth bits, nibbles.
void load_group(uint64_t row, uvec3 planes, uint group, out float q[16], out vec2 scale) {
  const uint64_t block = row + (group >> 1) * 22;
  const uvec4 fifth = bits_of(even_word(block + 2), group & 1);
  expand_codes(nibbles_of(even_words4(block + 6), group & 1) | fifth << 4, q);
  const float d = even_half(block);
  scale = vec2(d, -16 * d);
}
#else
// Planes: nibbles; one bit; d for each unit of 32.
void load_group(uint64_t row, uvec3 planes, uint group, out float q[16], out vec2 scale) {
  expand_codes(nibbles_at(row, group) | one_bit_at(row + planes.x, group) << 4, q);
  const float d = half_at(row + planes.y, group >> 1);
  scale = vec2(d, -16 * d);
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
  float d;
};

Packed load_packed(uint64_t row, uvec3 planes, uint unit) {
  return Packed(load_words4(row, unit), Words(row + planes.x).v[unit], half_at(row + planes.y, unit));
}

void unpack(Packed packed, uint unit, uint index, out uint codes[8], out vec4 scale) {
  unpack_nibbles(packed.nibbles, codes);
  add_one_bit(packed.bits, 4, codes);
  scale = vec4(packed.d, 0, -16 * packed.d, 0);
}
#endif
