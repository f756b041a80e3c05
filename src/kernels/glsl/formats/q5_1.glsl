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
