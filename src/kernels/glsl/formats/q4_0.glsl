// Q4_0: nibbles; d for each unit of 32. weight = d (code - 8).
void load_group(uint64_t row, uvec3 planes, uint group, out float q[16], out vec2 scale) {
  expand_codes(nibbles_at(row, group), q);
  const float d = half_at(row + planes.x, group >> 1);
  scale = vec2(d, -8 * d);
}
