// What IQ1_S and IQ1_M share: weight = d (2 scale + 1) (code - 1 + delta), delta 1/8 or -1/8.
#include "grid.glsl"

/// The 16 codes of two entries: their low 8 bits each in `low`, the upper 3 of both given in place.
uvec4 ternary_codes(uint low, uint high0, uint high1) {
  return uvec4(grid_codes(low & 0xFFu | high0), grid_codes(low >> 8 & 0xFFu | high1));
}
