// Codes of 4 bits that index a table of 16 values, signed bytes, in four words. The includer has the table, kValues.
// Words are chosen and shifted, not indexed: the table stays in registers, and Mesa's software device compiles a matrix
// product in half of the time that an array takes it.
uint value_word(int i) {
  return (uint(kValues[i]) & 0xFF) | (uint(kValues[i + 1]) & 0xFF) << 8 | (uint(kValues[i + 2]) & 0xFF) << 16 |
         uint(kValues[i + 3]) << 24;
}

/// The value of a code, in the low byte.
uint value_byte(uint code) {
  const uvec2 half_table = (code & 8) == 0 ? uvec2(value_word(0), value_word(4)) : uvec2(value_word(8), value_word(12));
  const uint word = (code & 4) == 0 ? half_table.x : half_table.y;
  return word >> (8 * (code & 3)) & 0xFFu;
}

float value_of(uint code) { return float(bitfieldExtract(int(value_byte(code)), 0, 8)); }

void expand_values(uvec4 codes, out float q[16]) {
  [[unroll]] for (uint s = 0; s < 4; ++s) {
    [[unroll]] for (uint i = 0; i < 4; ++i) q[4 * s + i] = value_of(bitfieldExtract(codes[s], int(8 * i), 8));
  }
}
