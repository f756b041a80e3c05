// Q4_K: weight = d scale code - dmin minimum, scale and minimum of 6 bits for each 32.
#ifdef FILE_LAYOUT
// A block of 256 weights: d and dmin, pairs; nibbles, of 64 weights in 32 bytes.
void load_group(uint64_t row, uvec3 planes, uint group, out float q[16], out vec2 scale) {
  const uint64_t block = row + (group >> 4) * 144;
  const uvec4 bytes = load_words4(block, 1 + 2 * (group >> 2 & 3) + (group & 1));
  expand_codes(nibbles_of(bytes, group >> 1 & 1), q);
  const uvec4 head = load_words4(block, 0);
  scale = unpackHalf2x16(head.x) * vec2(pair_of_block(head, group >> 1 & 7)) * vec2(1, -1);
}
#else
// Planes: nibbles; d, dmin and eight pairs of scale and minimum for each 256.
void load_group(uint64_t row, uvec3 planes, uint group, out float q[16], out vec2 scale) {
  expand_codes(nibbles_at(row, group), q);
  const uvec4 super = load_words4(row + planes.x, group >> 4);
  scale = unpackHalf2x16(super.x) * vec2(pair_at(super, group >> 1 & 7)) * vec2(1, -1);
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
  uvec4 super;
};

Packed load_packed(uint64_t row, uvec3 planes, uint unit) {
  return Packed(load_words4(row, unit), load_words4(row + planes.x, unit >> 3));
}

void unpack(Packed packed, uint unit, uint index, out uint codes[8], out vec4 scale) {
  part_nibbles(packed.nibbles, codes);
  const vec2 d = unpackHalf2x16(packed.super.x) * vec2(pair_at(packed.super, unit & 7));
  scale = vec4(d.x, 0, -d.y, 0);
}
#endif
