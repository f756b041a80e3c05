// F32: plane 0 values.
void load_group(uint64_t row, uvec3 planes, uint group, out float q[16], out vec2 scale) {
  [[unroll]] for (uint i = 0; i < 4; ++i) {
    const vec4 values = load_floats4(row, 4 * group + i);
    [[unroll]] for (uint j = 0; j < 4; ++j) q[4 * i + j] = values[j];
  }
  scale = vec2(1, 0);
}
