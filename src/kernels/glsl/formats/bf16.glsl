// BF16: plane 0 values, two a word; a bf16 is the upper half of a float.
void load_group(uint64_t row, uvec3 planes, uint group, out float q[16], out vec2 scale) {
  [[unroll]] for (uint i = 0; i < 2; ++i) {
    const uvec4 words = load_words4(row, 2 * group + i);
    [[unroll]] for (uint j = 0; j < 4; ++j) {
      q[8 * i + 2 * j] = uintBitsToFloat(words[j] << 16);
      q[8 * i + 2 * j + 1] = uintBitsToFloat(words[j] & 0xFFFF0000u);
    }
  }
  scale = vec2(1, 0);
}
