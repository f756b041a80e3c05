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
