// IQ2_XXS: weight = d (2 scale + 1) / 8 magnitude, 8, 25 or 43, with its sign; a scale of 4 bits for each 32.
#include "grid.glsl"

/// Codes 0, 1, 2 in each byte to 8, 25, 43: 17 code + 8, and one more for 2.
uvec2 magnitudes(uvec2 codes) { return (codes | codes << 4) + (codes >> 1 & 0x01010101u) + 0x08080808u; }

/// `unit.x`: four indices; `unit.y`: seven signs for each, and the scale.
void expand_group(uvec2 unit, uint group, float d, out float q[16], out vec2 scale) {
  const uint indices = unit.x >> (16 * (group & 1));
  expand_codes(uvec4(magnitudes(grid_codes(indices & 0xFFu)), magnitudes(grid_codes(indices >> 8 & 0xFFu))), q);
  const uint both = unit.y >> (14 * (group & 1));
  [[unroll]] for (uint k = 0; k < 2; ++k) {
    const uint seven = both >> (7 * k) & 127;
    const uint signs = seven | uint(bitCount(seven)) << 7;  // an even number of them is set
    [[unroll]] for (uint i = 0; i < 8; ++i) {
      q[8 * k + i] = uintBitsToFloat(floatBitsToUint(q[8 * k + i]) ^ (signs << (31 - i) & 0x80000000u));
    }
  }
  scale = vec2(d * float((unit.y >> 28) * 2 + 1) * 0.125, 0);
}

#ifdef FILE_LAYOUT
// A block of 256 weights: d; 8 bytes for each unit of 32.
void load_group(uint64_t row, uvec3 planes, uint group, out float q[16], out vec2 scale) {
  const uint64_t block = row + (group >> 4) * 66;
  const uint64_t unit = block + 2 + 4 * (group & 14);
  expand_group(uvec2(even_word(unit), even_word(unit + 4)), group, even_half(block), q, scale);
}
#else
// Planes: 8 bytes for each unit of 32; d for each 256.
void load_group(uint64_t row, uvec3 planes, uint group, out float q[16], out vec2 scale) {
  expand_group(unpackUint2x32(Words64(row).v[group >> 1]), group, half_at(row + planes.x, group >> 4), q, scale);
}
#endif
