// Reading the planes of a row in the resident layout (quant/resident.hpp).

/// The 16 four-bit codes of a group as bytes of four words.
uvec4 nibbles_at(uint64_t plane, uint group) {
  const uvec2 w = unpackUint2x32(Words64(plane).v[group]);
  return uvec4(w.x, w.x >> 4, w.y, w.y >> 4) & 0x0F0F0F0Fu;
}

/// The 16 two-bit codes of a group.
uvec4 two_bits_at(uint64_t plane, uint group) {
  const uint w = Words(plane).v[group];
  return uvec4(w, w >> 2, w >> 4, w >> 6) & 0x03030303u;
}

/// The 16 one-bit codes of a group.
uvec4 one_bit_at(uint64_t plane, uint group) {
  const uint w = Words(plane).v[group >> 1] >> (4 * (group & 1));
  return uvec4(w, w >> 1, w >> 2, w >> 3) & 0x01010101u;
}

/// Element `index` of a plane of f16.
float half_at(uint64_t plane, uint index) {
  const vec2 pair = unpackHalf2x16(Words(plane).v[index >> 1]);
  return (index & 1) == 0 ? pair.x : pair.y;
}

/// Element `index` of a plane of 16 bits.
uint short_at(uint64_t plane, uint index) { return Words(plane).v[index >> 1] >> (16 * (index & 1)) & 0xFFFFu; }

/// Element `index` of a plane of bytes.
uint byte_of_plane(uint64_t plane, uint index) { return Words(plane).v[index >> 2] >> (8 * (index & 3)) & 0xFFu; }

/// Pair `unit` (0 to 7) of the 6-bit numbers in words y, z, w of `super`.
uvec2 pair_at(uvec4 super, uint unit) {
  const uint low = (unit < 4 ? super.y : super.z) >> (8 * (unit & 3));
  const uint high = super.w >> (4 * unit);
  return uvec2((low & 15) | (high & 3) << 4, (low >> 4 & 15) | (high >> 2 & 3) << 4);
}
