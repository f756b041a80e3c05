// Q4_K: nibbles; d, dmin and eight pairs of a 6-bit scale and minimum for each 256.
// weight = d scale code - dmin minimum.
void load_group(uint64_t row, uvec3 planes, uint group, out float q[16], out vec2 scale) {
  expand_codes(nibbles_at(row, group), q);
  const uvec4 super = load_words4(row + planes.x, group >> 4);
  scale = unpackHalf2x16(super.x) * vec2(pair_at(super, group >> 1 & 7)) * vec2(1, -1);
}
