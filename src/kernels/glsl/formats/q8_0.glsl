// Q8_0: bytes with 128 added; d for each unit of 32. weight = d (code - 128).
void load_group(uint64_t row, uvec3 planes, uint group, out float q[16], out vec2 scale) {
  expand_codes(load_words4(row, group), q);
  const float d = half_at(row + planes.x, group >> 1);
  [[unroll]] for (uint i = 0; i < 16; ++i) q[i] -= 128;  // exact; an offset would lose bits to cancellation
  scale = vec2(d, 0);
}
