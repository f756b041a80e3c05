// Q8_0: weight = d code, code a signed byte.
#ifdef FILE_LAYOUT
// A block of 32 weights: d, codes.
void load_group(uint64_t row, uvec3 planes, uint group, out float q[16], out vec2 scale) {
  const uint64_t block = row + (group >> 1) * 34;
  const ivec4 words = ivec4(even_words4(block + 2 + 16 * (group & 1)));
  [[unroll]] for (int i = 0; i < 16; ++i) q[i] = float(bitfieldExtract(words[i / 4], 8 * (i % 4), 8));
  scale = vec2(even_half(block), 0);
}
#else
// Planes: bytes with 128 added; d for each unit of 32.
void load_group(uint64_t row, uvec3 planes, uint group, out float q[16], out vec2 scale) {
  expand_codes(load_words4(row, group), q);
  const float d = half_at(row + planes.x, group >> 1);
  [[unroll]] for (uint i = 0; i < 16; ++i) q[i] -= 128;  // exact; an offset would lose bits to cancellation
  scale = vec2(d, 0);
}
#endif

#ifdef INT8_DOT
const uint kLoadUnits = 1;
const uint kHalves = 1;
const uint kOddShift = 0;
const bool kUnsigned = false;
const bool kOffsets = false;
struct Packed {
  uvec4 first;
  uvec4 second;
  float d;
};

Packed load_packed(uint64_t row, uvec3 planes, uint unit) {
  return Packed(load_words4(row, 2 * unit), load_words4(row, 2 * unit + 1), half_at(row + planes.x, unit));
}

void unpack(Packed packed, uint unit, uint index, out uint codes[8], out vec4 scale) {
  // Without the 128 that the plane adds.
  [[unroll]] for (uint i = 0; i < 4; ++i) {
    codes[i] = packed.first[i] ^ 0x80808080u;
    codes[4 + i] = packed.second[i] ^ 0x80808080u;
  }
  scale = vec4(packed.d, 0, 0, 0);
}
#endif
