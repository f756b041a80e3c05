// Q2_K: two bits; a byte of scale | minimum << 4 for each group; d and dmin for each 256.
// weight = d scale code - dmin minimum.
void load_group(uint64_t row, uvec3 planes, uint group, out float q[16], out vec2 scale) {
  expand_codes(two_bits_at(row, group), q);
  const uint pair = byte_of_plane(row + planes.x, group);
  const vec2 d = unpackHalf2x16(Words(row + planes.y).v[group >> 4]);
  scale = vec2(d.x * float(pair & 15), -d.y * float(pair >> 4));
}
