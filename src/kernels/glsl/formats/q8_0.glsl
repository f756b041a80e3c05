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
