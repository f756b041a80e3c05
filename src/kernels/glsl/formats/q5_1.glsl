// Q5_1: nibbles; one bit; d and m for each unit of 32. weight = d code + m.
void load_group(uint64_t row, uvec3 planes, uint group, out float q[16], out vec2 scale) {
  expand_codes(nibbles_at(row, group) | one_bit_at(row + planes.x, group) << 4, q);
  scale = unpackHalf2x16(Words(row + planes.y).v[group >> 1]);
}
