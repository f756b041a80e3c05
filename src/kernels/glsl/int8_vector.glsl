// Activations as int8 vectors: value = d * code, d for each unit of 32 values, codes from -127 to 127.
// Eight planes of codes, one for each half h of the units u with the same u % 4, then what is to be known of every
// unit. So lanes that take a unit each, and lanes that take four each, read side by side.
//
//   word w (0 to 7) of unit u, four codes          byte (2 (u % 4) + w / 4) * plane + 16 (u / 4) + 4 (w % 4)
//   d, sums of the values of both halves, squares   byte 8 plane + 16 u, four f32
//
// plane = 16 ceil(units / 4) + 16. plan::int8_vector_bytes counts them.
//
// A vector that is to be normalised holds x times the norm's weights, and the squares are the sum of x squared over
// each unit: who uses it divides by the root of their mean. So nobody waits for a sum over the whole of x.

uint int8_plane_bytes(uint units) { return 16 * ((units + 3) / 4) + 16; }
uint int8_vector_bytes(uint units) { return 8 * int8_plane_bytes(units) + 16 * units; }

uint pack_codes(vec4 codes) {
  const uvec4 bytes = uvec4(ivec4(codes)) & 0xFFu;
  return bytes.x | bytes.y << 8 | bytes.z << 16 | bytes.w << 24;
}

float sum_of_eight(float value) {
  value += subgroupShuffleXor(value, 1);
  value += subgroupShuffleXor(value, 2);
  return value + subgroupShuffleXor(value, 4);
}

/// Makes units of int8 vectors. Eight neighbouring lanes, the first a multiple of 8, hold a unit: each 4 of its values
/// in order, and of its `squares` the sum of its own 4. Called by whole subgroups; lanes whose `wanted` is false store
/// nothing. Gives what the codes leave of the values, so that a second vector can hold it.
vec4 store_int8_unit(uint64_t vector, uint units, uint unit, vec4 values, float squares, bool wanted) {
  const uint word = gl_SubgroupInvocationID & 7u;
  const vec4 size = abs(values);
  float largest = max(max(size.x, size.y), max(size.z, size.w));
  largest = max(largest, subgroupShuffleXor(largest, 1));
  largest = max(largest, subgroupShuffleXor(largest, 2));
  largest = max(largest, subgroupShuffleXor(largest, 4));
  const vec4 codes = roundEven(values * (largest > 1e-30 ? 127 / largest : 0));
  const float d = largest / 127;
  float sum = codes.x + codes.y + codes.z + codes.w;
  sum += subgroupShuffleXor(sum, 1);
  sum += subgroupShuffleXor(sum, 2);
  const float other = subgroupShuffleXor(sum, 4);
  squares = sum_of_eight(squares);
  const vec4 rest = fma(vec4(-d), codes, values);
  if (!wanted) return rest;
  const uint plane = int8_plane_bytes(units);
  WriteWords(vector + (2 * (unit & 3) + word / 4) * plane + 16 * (unit >> 2) + 4 * (word & 3)).v[0] = pack_codes(codes);
  if (word == 0) WriteFloats4(vector + 8 * plane + 16 * unit).v[0] = vec4(d, d * sum, d * other, squares);
  return rest;
}

/// The same for a vector that is taken as it is.
void store_int8_unit(uint64_t vector, uint units, uint unit, vec4 values, bool wanted) {
  store_int8_unit(vector, units, unit, values, 0, wanted);
}
