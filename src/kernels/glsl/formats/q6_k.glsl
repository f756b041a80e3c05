// Q6_K: nibbles; two bits; a signed byte of scale for each group; d for each 256. weight = d scale (code - 32).
void load_group(uint64_t row, uvec3 planes, uint group, out float q[16], out vec2 scale) {
  expand_codes(nibbles_at(row, group) | two_bits_at(row + planes.x, group) << 4, q);
  const int step = bitfieldExtract(int(byte_of_plane(row + planes.y, group)), 0, 8);
  const float d = half_at(row + planes.z, group >> 4) * float(step);
  scale = vec2(d, -32 * d);
}
