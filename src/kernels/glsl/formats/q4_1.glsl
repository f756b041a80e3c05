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
