// Q3_K: weight = d (scale - 32) (code - 4), a scale of 6 bits for each group.
#ifdef FILE_LAYOUT
// A block of 256 weights: third bits, of all in 32 bytes; two bits, of 128 weights in 32 bytes; scales; d.
// Scale g is nibble g / 8 of byte g % 8, and above it two bits: pair g / 4 of byte 8 + g % 4.
void load_group(uint64_t row, uvec3 planes, uint group, out float q[16], out vec2 scale) {
  const uint64_t block = row + (group >> 4) * 110;
  const uint g = group & 15;
  const uvec4 low = two_bits_of(even_words4(block + 32 + 32 * (g >> 3) + 16 * (g & 1)), g >> 1 & 3);
  expand_codes(low | one_bit_of(even_words4(block + 16 * (g & 1)), g >> 1) << 2, q);
  const uint step = (byte_of_block(block + 96 + (g & 7)) >> (4 * (g >> 3)) & 15) |
                    (byte_of_block(block + 104 + (g & 3)) >> (2 * (g >> 2)) & 3) << 4;
  const float d = even_half(block + 108) * (float(step) - 32);
  scale = vec2(d, -4 * d);
}
#else
// Planes: two bits; one bit; d and eight pairs of scales for each 256.
void load_group(uint64_t row, uvec3 planes, uint group, out float q[16], out vec2 scale) {
  expand_codes(two_bits_at(row, group) | one_bit_at(row + planes.x, group) << 2, q);
  const uvec4 super = load_words4(row + planes.y, group >> 4);
  const uvec2 pair = pair_at(super, group >> 1 & 7);
  const float d = unpackHalf2x16(super.x).x * (float((group & 1) == 0 ? pair.x : pair.y) - 32);
  scale = vec2(d, -4 * d);
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
  uvec2 upper;
  uvec4 super;
};

Packed load_packed(uint64_t row, uvec3 planes, uint unit) {
  return Packed(load_words4(row, unit >> 1), unpackUint2x32(Words64(row + planes.x).v[unit >> 1]),
                load_words4(row + planes.y, unit >> 3));
}

void unpack(Packed packed, uint unit, uint index, out uint codes[8], out vec4 scale) {
  unpack_two_bits(index == 0 ? packed.bits.xy : packed.bits.zw, codes);
  add_one_bit(index == 0 ? packed.upper.x : packed.upper.y, 2, codes);
  const vec2 steps = vec2(pair_at(packed.super, (unit + index) & 7)) - 32;
  const vec2 d = unpackHalf2x16(packed.super.x).x * steps;
  scale = vec4(d, -4 * d);
}
#endif
