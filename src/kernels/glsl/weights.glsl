// Rows of weights in the resident layout (quant/resident.hpp) or, with FILE_LAYOUT, as blocks of the file, read in
// groups of 16. Each format's file gives
//   void load_group(uint64_t row, uvec3 planes, uint group, out float q[16], out vec2 scale)
// with weight = scale.x * q + scale.y. `row` is the row's address, `planes` the offsets of planes 1 to 3 (unused for
// blocks). The includer has `grid`, the address of the table of entries of formats that have one. The layouts of blocks are those of src/quant: the comments of its codecs.
const uint kGroup = 16;

/// The float of byte `i` (a constant) of a word.
float byte_at(uint word, uint i) { return float(bitfieldExtract(word, int(8 * i), 8)); }

void expand_codes(uvec4 codes, out float q[16]) {
  [[unroll]] for (uint s = 0; s < 4; ++s) {
    [[unroll]] for (uint i = 0; i < 4; ++i) q[4 * s + i] = byte_at(codes[s], i);
  }
}

#ifdef FILE_LAYOUT
#include "blocks.glsl"
#else
#include "planes.glsl"
#endif
#ifdef INT8_DOT
#include "int8_units.glsl"
#endif

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
#elif defined(FORMAT_IQ1_S)
#include "formats/iq1_s.glsl"
#elif defined(FORMAT_IQ1_M)
#include "formats/iq1_m.glsl"
#elif defined(FORMAT_IQ2_XXS)
#include "formats/iq2_xxs.glsl"
#elif defined(FORMAT_IQ4_NL)
#include "formats/iq4_nl.glsl"
#elif defined(FORMAT_IQ4_XS)
#include "formats/iq4_xs.glsl"
#elif defined(FORMAT_MXFP4)
#include "formats/mxfp4.glsl"
#endif
