// What kernels that multiply a few int8 vectors on matrix units share: their push constants, and inputs as f16.
layout(push_constant) uniform Constants {
  uint64_t weights;
  uint64_t x;
  WriteFloats result;
  uint64_t vectors;  // those to be made
  Floats bias;
  Batch batch;
  uint64_t grid;  // for formats of grids: the table of entries
  Floats4 norm;   // kAddInt8: (rows)
  uint columns;
  uint rows;
  uint row_bytes;
  uint plane1, plane2, plane3;
  uint out_stride;
  uint vector_units;  // of the vectors to be made, and the first that this dispatch makes
  uint first_unit;
  float epsilon;
};
#include "half_pairs.glsl"
#include "halves.glsl"
#include "int8_vector.glsl"

// Activations between feed-forward matrices pass 65504; what is lost below, 2^-25 * 32, is less than int8 vectors lose.
const float kVectorScale = 1.0 / 32;

/// Four codes of a vector as floats: as the last bits of 2^23, because conversions take an H200 eight times as long as
/// other instructions.
vec4 floats_of(uint codes) {
  const uint unsigned_codes = codes ^ 0x80808080u;
  const uvec4 bytes = uvec4(unsigned_codes, unsigned_codes >> 8, unsigned_codes >> 16, unsigned_codes >> 24) & 0xFFu;
  return uintBitsToFloat(bytes | 0x4B000000u) - 8388736.0;  // 2^23 + 128
}
