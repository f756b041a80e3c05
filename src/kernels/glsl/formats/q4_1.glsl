// Q4_1: weight = d code + m.
#ifdef FILE_LAYOUT
// A block of 32 weights: d and m, nibbles.
void load_group(uint64_t row, uvec3 planes, uint group, out float q[16], out vec2 scale) {
  const uint64_t block = row + (group >> 1) * 20;
  expand_codes(nibbles_of(words4(block + 4), group & 1), q);
  scale = unpackHalf2x16(Words(block).v[0]);
}
#else
// Planes: nibbles; d and m for each unit of 32.
void load_group(uint64_t row, uvec3 planes, uint group, out float q[16], out vec2 scale) {
  expand_codes(nibbles_at(row, group), q);
  scale = unpackHalf2x16(Words(row + planes.x).v[group >> 1]);
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
  uint scale;
};

Packed load_packed(uint64_t row, uvec3 planes, uint unit) {
  return Packed(load_words4(row, unit), Words(row + planes.x).v[unit]);
}

void unpack(Packed packed, uint unit, uint index, out uint codes[8], out vec4 scale) {
  part_nibbles(packed.nibbles, codes);
  const vec2 d = unpackHalf2x16(packed.scale);
  scale = vec4(d.x, 0, d.y, 0);
}
#endif
