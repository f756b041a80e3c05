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

#ifdef INT8_DOT
const uint kLoadUnits = 2;
const uint kHalves = 2;
const uint kOddShift = 0;
const bool kUnsigned = false;
const bool kOffsets = true;
struct Packed {
  uvec4 bits;
  uint pairs;  // of four halves
  uint d;
};

Packed load_packed(uint64_t row, uvec3 planes, uint unit) {
  return Packed(load_words4(row, unit >> 1), Words(row + planes.x).v[unit >> 1], Words(row + planes.y).v[unit >> 3]);
}

void unpack(Packed packed, uint unit, uint index, out uint codes[8], out vec4 scale) {
  unpack_two_bits(index == 0 ? packed.bits.xy : packed.bits.zw, codes);
  const uint pairs = packed.pairs >> (16 * index);
  const vec2 d = unpackHalf2x16(packed.d);
  scale = vec4(d.xx, -d.yy) * vec4(pairs & 15, pairs >> 8 & 15, pairs >> 4 & 15, pairs >> 12 & 15);
}
#endif
