// Q2_K: weight = d scale code - dmin minimum, scale and minimum of 4 bits for each group.
#ifdef FILE_LAYOUT
// A block of 256 weights: those bytes; two bits, of 128 weights in 32 bytes; d and dmin.
void load_group(uint64_t row, uvec3 planes, uint group, out float q[16], out vec2 scale) {
  const uint64_t block = row + (group >> 4) * 84;
  const uvec4 bytes = words4(block + 16 + 32 * (group >> 3 & 1) + 16 * (group & 1));
  expand_codes(two_bits_of(bytes, group >> 1 & 3), q);
  const uint pair = byte_of_block(block + (group & 15));
  const vec2 d = unpackHalf2x16(Words(block).v[20]);
  scale = vec2(d.x * float(pair & 15), -d.y * float(pair >> 4));
}
#else
// Planes: two bits; a byte of scale | minimum << 4 for each group; d and dmin for each 256.
void load_group(uint64_t row, uvec3 planes, uint group, out float q[16], out vec2 scale) {
  expand_codes(two_bits_at(row, group), q);
  const uint pair = byte_of_plane(row + planes.x, group);
  const vec2 d = unpackHalf2x16(Words(row + planes.y).v[group >> 4]);
  scale = vec2(d.x * float(pair & 15), -d.y * float(pair >> 4));
}
#endif
