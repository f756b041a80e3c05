#version 460
// RMS norm: out[c] = x[r] / sqrt(mean(x[r]^2) + epsilon) * weight, where r is c, or with GATHER the batch's
// output_index[c]. One workgroup a row. Groups: (columns of the batch). x, out (tokens, width) f32, or out f16; weight (width) f32;
// int8 vectors (tokens, TERMS, width) to be normalised (int8_vector.glsl), where wanted. With two terms the second vector
// holds what the codes of the first leave: their sum has 15 bits. RMSNorm: https://arxiv.org/abs/1910.07467
#include "common.glsl"
#include "halves.glsl"
#include "int8_vector.glsl"
layout(local_size_x_id = 0) in;
layout(constant_id = 1) const uint SUBGROUP = 8;
layout(constant_id = 2) const bool GATHER = false;
layout(constant_id = 3) const bool FLOATS = true;
layout(constant_id = 4) const bool INT8 = false;
layout(constant_id = 5) const uint TERMS = 1;
layout(constant_id = 6) const bool HALF = false;  // out is f16

layout(push_constant) uniform Constants {
  Floats4 x;
  Floats4 weight;
  uint64_t normed;
  uint64_t vectors;
  Batch batch;
  uint width;
  float epsilon;
};

shared float squares[128];  // 1024 lanes in subgroups of 8

void main() {
  const uint c = gl_WorkGroupID.x;
  if (c >= column_count(batch, GATHER ? kCountOutputs : kCountTokens)) return;
  const uint fours = width / 4;
  const uint from = (GATHER ? batch.output_index[c] : c) * fours;
  float sum = 0;
  for (uint i = gl_LocalInvocationID.x; i < fours; i += gl_WorkGroupSize.x) {
    const vec4 value = x.v[from + i];
    sum += dot(value, value);
  }
  sum = subgroupAdd(sum);
  if (gl_NumSubgroups > 1) {
    if (gl_SubgroupInvocationID == 0) squares[gl_SubgroupID] = sum;
    barrier();
    sum = 0;
    for (uint i = 0; i < gl_NumSubgroups; ++i) sum += squares[i];
  }
  const float factor = inversesqrt(sum / float(width) + epsilon);
  for (uint first = gl_SubgroupID * SUBGROUP; first < fours; first += gl_WorkGroupSize.x) {
    const uint i = min(first + gl_SubgroupInvocationID, fours - 1);
    const bool wanted = first + gl_SubgroupInvocationID < fours;
    const vec4 value = x.v[from + i];
    const vec4 weighted = value * weight.v[i];
    if (FLOATS && wanted) WriteFloats4(normed).v[c * fours + i] = weighted * factor;
    if (HALF && wanted) WriteWords2(normed).v[c * fours + i] = pack_halves(weighted * factor);
    if (INT8) {
      const uint units = width / 32;
      const uint64_t vector = vectors + uint64_t(c * TERMS * int8_vector_bytes(units));
      const float square = dot(value, value);
      const vec4 rest = store_int8_unit(vector, units, i / 8, weighted, square, wanted);
      if (TERMS == 2) store_int8_unit(vector + uint64_t(int8_vector_bytes(units)), units, i / 8, rest, square, wanted);
    }
  }
}
