// Q4_0: weight = d (code - 8).
#ifdef FILE_LAYOUT
// A block of 32 weights: d, nibbles.
void load_group(uint64_t row, uvec3 planes, uint group, out float q[16], out vec2 scale) {
  const uint64_t block = row + (group >> 1) * 18;
  expand_codes(nibbles_of(even_words4(block + 2), group & 1), q);
  const float d = even_half(block);
  scale = vec2(d, -8 * d);
}
#else
// Planes: nibbles; d for each unit of 32.
void load_group(uint64_t row, uvec3 planes, uint group, out float q[16], out vec2 scale) {
  expand_codes(nibbles_at(row, group), q);
  const float d = half_at(row + planes.x, group >> 1);
  scale = vec2(d, -8 * d);
}
#endif

#ifdef INT8_DOT
const uint kLoadUnits = 1;
const uint kHalves = 1;
const uint kOddShift = kNibbleShift;
const bool kUnsigned = kMixedNibbles;
const bool kOffsets = true;
struct Packed {
  uvec4 nibbles;
  float d;
};

Packed load_packed(uint64_t row, uvec3 planes, uint unit) {
  return Packed(load_words4(row, unit), half_at(row + planes.x, unit));
}

void unpack(Packed packed, uint unit, uint index, out uint codes[8], out vec4 scale) {
  part_nibbles(packed.nibbles, codes);
  scale = vec4(packed.d, 0, -8 * packed.d, 0);
}
#endif
