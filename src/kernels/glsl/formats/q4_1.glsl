// Q4_1: nibbles; d and m for each unit of 32. weight = d code + m.
void load_group(uint64_t row, uvec3 planes, uint group, out float q[16], out vec2 scale) {
  expand_codes(nibbles_at(row, group), q);
  scale = unpackHalf2x16(Words(row + planes.x).v[group >> 1]);
}
