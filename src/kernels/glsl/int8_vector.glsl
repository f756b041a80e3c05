// Activations as int8 vectors: value = d * code, d for each unit of 32 values, codes from -127 to 127.
// Eight planes of codes, one for each half h of the units u with the same u % 4, then (d, sums of the codes of both
// halves) of every unit. So lanes that take a unit each, and lanes that take four each, read side by side, and the
// padding of 16 bytes keeps their reads in different banks of shared memory:
//
//   word w (0 to 7) of unit u, four codes   byte (2 (u % 4) + w / 4) * plane + 16 (u / 4) + 4 (w % 4)
//   d (f32), sums (two s16, first half low) byte 8 plane + 8 u
//
// plane = 16 ceil(units / 4) + 16. plan::int8_vector_bytes counts them.

uint int8_plane_bytes(uint units) { return 16 * ((units + 3) / 4) + 16; }
uint int8_vector_bytes(uint units) { return 8 * int8_plane_bytes(units) + (8 * units + 15) / 16 * 16; }

uint pack_codes(vec4 codes) {
  const uvec4 bytes = uvec4(ivec4(codes)) & 0xFFu;
  return bytes.x | bytes.y << 8 | bytes.z << 16 | bytes.w << 24;
}

/// What one of the eight lanes of a unit contributes: word gl_SubgroupInvocationID % 8 of its codes. Every lane has the
/// unit's scale (as bits) and sums.
struct Int8Part {
  uint codes;
  uint d;
  uint sums;
};

/// Eight neighbouring lanes, the first a multiple of 8, hold a unit: each 4 of its values in order. Called by whole
/// subgroups.
Int8Part int8_part(vec4 values) {
  const vec4 size = abs(values);
  float largest = max(max(size.x, size.y), max(size.z, size.w));
  largest = max(largest, subgroupShuffleXor(largest, 1));
  largest = max(largest, subgroupShuffleXor(largest, 2));
  largest = max(largest, subgroupShuffleXor(largest, 4));
  const vec4 codes = roundEven(values * (largest > 1e-30 ? 127 / largest : 0));
  float sum = codes.x + codes.y + codes.z + codes.w;
  sum += subgroupShuffleXor(sum, 1);
  sum += subgroupShuffleXor(sum, 2);
  const float other = subgroupShuffleXor(sum, 4);
  const bool second = (gl_SubgroupInvocationID & 4) != 0;
  const ivec2 sums = ivec2(second ? vec2(other, sum) : vec2(sum, other));
  return Int8Part(pack_codes(codes), floatBitsToUint(largest / 127), uint(sums.x) & 0xFFFFu | uint(sums.y) << 16);
}

/// Makes units of int8 vectors in memory, by the lanes that int8_part() asks for; those whose `wanted` is false store
/// nothing.
void store_int8_unit(uint64_t vector, uint units, uint unit, vec4 values, bool wanted) {
  const uint word = gl_SubgroupInvocationID & 7u;
  const Int8Part part = int8_part(values);
  if (!wanted) return;
  const uint plane = int8_plane_bytes(units);
  WriteWords(vector + (2 * (unit & 3) + word / 4) * plane + 16 * (unit >> 2) + 4 * (word & 3)).v[0] = part.codes;
  if (word == 0) WriteWords2(vector + 8 * plane + 8 * unit).v[0] = uvec2(part.d, part.sums);
}
