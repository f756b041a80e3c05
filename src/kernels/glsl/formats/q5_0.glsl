// Q5_0: nibbles; one bit; d for each unit of 32. weight = d (code - 16).
void load_group(uint64_t row, uvec3 planes, uint group, out float q[16], out vec2 scale) {
  expand_codes(nibbles_at(row, group) | one_bit_at(row + planes.x, group) << 4, q);
  const float d = half_at(row + planes.y, group >> 1);
  scale = vec2(d, -16 * d);
}
