// Q6_K: weight = d scale (code - 32), a signed byte of scale for each group.
#ifdef FILE_LAYOUT
// A block of 256 weights: nibbles, of 128 weights in 64 bytes; two bits, of 128 weights in 32 bytes; scales; d.
void load_group(uint64_t row, uvec3 planes, uint group, out float q[16], out vec2 scale) {
  const uint64_t block = row + (group >> 4) * 210;
  const uint g = group & 15;
  const uvec4 low = nibbles_of(even_words4(block + 64 * (g >> 3) + 16 * (g & 3)), g >> 2 & 1);
  const uvec4 high = two_bits_of(even_words4(block + 128 + 32 * (g >> 3) + 16 * (g & 1)), g >> 1 & 3);
  expand_codes(low | high << 4, q);
  const int step = bitfieldExtract(int(byte_of_block(block + 192 + g)), 0, 8);
  const float d = even_half(block + 208) * float(step);
  scale = vec2(d, -32 * d);
}
#else
// Planes: nibbles; two bits; scales; d for each 256.
void load_group(uint64_t row, uvec3 planes, uint group, out float q[16], out vec2 scale) {
  expand_codes(nibbles_at(row, group) | two_bits_at(row + planes.x, group) << 4, q);
  const int step = bitfieldExtract(int(byte_of_plane(row + planes.y, group)), 0, 8);
  const float d = half_at(row + planes.z, group >> 4) * float(step);
  scale = vec2(d, -32 * d);
}
#endif

#ifdef INT8_DOT
const uint kLoadUnits = 1;
const uint kHalves = 2;
const uint kOddShift = 0;
const bool kUnsigned = false;
const bool kOffsets = true;
struct Packed {
  uvec4 nibbles;
  uvec2 upper;
  uint steps;  // of both halves, signed bytes
  float d;
};

Packed load_packed(uint64_t row, uvec3 planes, uint unit) {
  return Packed(load_words4(row, unit), unpackUint2x32(Words64(row + planes.x).v[unit]), short_at(row + planes.y, unit),
                half_at(row + planes.z, unit >> 3));
}

void unpack(Packed packed, uint unit, uint index, out uint codes[8], out vec4 scale) {
  unpack_nibbles(packed.nibbles, codes);
  add_two_bits(packed.upper, codes);
  const int steps = int(packed.steps);
  const vec2 d = packed.d * vec2(bitfieldExtract(steps, 0, 8), bitfieldExtract(steps, 8, 8));
  scale = vec4(d, -32 * d);
}
#endif
