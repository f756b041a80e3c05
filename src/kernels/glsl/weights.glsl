// Rows of weights in the resident layout (quant/resident.hpp), read in groups of 16. Each format's file gives
//   void load_group(uint64_t row, uvec3 planes, uint group, out float q[16], out vec2 scale)
// with weight = scale.x * q + scale.y. `row` is the row's address, `planes` the offsets of planes 1 to 3.
const uint kGroup = 16;

/// The float of byte `i` (a constant) of a word.
float byte_at(uint word, uint i) { return float(bitfieldExtract(word, int(8 * i), 8)); }

void expand_codes(uvec4 codes, out float q[16]) {
  [[unroll]] for (uint s = 0; s < 4; ++s) {
    [[unroll]] for (uint i = 0; i < 4; ++i) q[4 * s + i] = byte_at(codes[s], i);
  }
}

/// The 16 four-bit codes of a group as bytes of four words.
uvec4 nibbles_at(uint64_t plane, uint group) {
  const uvec2 w = unpackUint2x32(Words64(plane).v[group]);
  return uvec4(w.x, w.x >> 4, w.y, w.y >> 4) & 0x0F0F0F0Fu;
}

/// The 16 two-bit codes of a group.
uvec4 two_bits_at(uint64_t plane, uint group) {
  const uint w = Words(plane).v[group];
  return uvec4(w, w >> 2, w >> 4, w >> 6) & 0x03030303u;
}

/// The 16 one-bit codes of a group.
uvec4 one_bit_at(uint64_t plane, uint group) {
  const uint w = Words(plane).v[group >> 1] >> (4 * (group & 1));
  return uvec4(w, w >> 1, w >> 2, w >> 3) & 0x01010101u;
}

/// Element `index` of a plane of f16.
float half_at(uint64_t plane, uint index) {
  const vec2 pair = unpackHalf2x16(Words(plane).v[index >> 1]);
  return (index & 1) == 0 ? pair.x : pair.y;
}

/// Element `index` of a plane of bytes.
uint byte_of_plane(uint64_t plane, uint index) { return Words(plane).v[index >> 2] >> (8 * (index & 3)) & 0xFFu; }

/// Pair `unit` (0 to 7) of the 6-bit numbers in words y, z, w of `super`.
uvec2 pair_at(uvec4 super, uint unit) {
  const uint low = (unit < 4 ? super.y : super.z) >> (8 * (unit & 3));
  const uint high = super.w >> (4 * unit);
  return uvec2((low & 15) | (high & 3) << 4, (low >> 4 & 15) | (high >> 2 & 3) << 4);
}

#if defined(FORMAT_F32)
#include "formats/f32.glsl"
#elif defined(FORMAT_F16)
#include "formats/f16.glsl"
#elif defined(FORMAT_BF16)
#include "formats/bf16.glsl"
#elif defined(FORMAT_Q4_0)
#include "formats/q4_0.glsl"
#elif defined(FORMAT_Q4_1)
#include "formats/q4_1.glsl"
#elif defined(FORMAT_Q5_0)
#include "formats/q5_0.glsl"
#elif defined(FORMAT_Q5_1)
#include "formats/q5_1.glsl"
#elif defined(FORMAT_Q8_0)
#include "formats/q8_0.glsl"
#elif defined(FORMAT_Q2_K)
#include "formats/q2_k.glsl"
#elif defined(FORMAT_Q3_K)
#include "formats/q3_k.glsl"
#elif defined(FORMAT_Q4_K)
#include "formats/q4_k.glsl"
#elif defined(FORMAT_Q5_K)
#include "formats/q5_k.glsl"
#elif defined(FORMAT_Q6_K)
#include "formats/q6_k.glsl"
#endif
