// Q3_K: two bits; one bit; d and eight pairs of 6-bit scales for each 256. weight = d (scale - 32) (code - 4).
void load_group(uint64_t row, uvec3 planes, uint group, out float q[16], out vec2 scale) {
  expand_codes(two_bits_at(row, group) | one_bit_at(row + planes.x, group) << 2, q);
  const uvec4 super = load_words4(row + planes.y, group >> 4);
  const uvec2 pair = pair_at(super, group >> 1 & 7);
  const float d = unpackHalf2x16(super.x).x * (float((group & 1) == 0 ? pair.x : pair.y) - 32);
  scale = vec2(d, -4 * d);
}
