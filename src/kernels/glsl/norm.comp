#version 460
// RMS norm: out[c] = x[r] / sqrt(mean(x[r]^2) + epsilon) * weight, where r is c, or with GATHER the batch's
// output_index[c]. One subgroup a row. Groups: (columns of the batch). x, out (tokens, width) f32; weight (width) f32.
// RMSNorm: https://arxiv.org/abs/1910.07467
#include "common.glsl"
layout(local_size_x_id = 0) in;
layout(constant_id = 1) const bool GATHER = false;

layout(push_constant) uniform Constants {
  Floats4 x;
  Floats4 weight;
  WriteFloats4 normed;
  Batch batch;
  uint width;
  float epsilon;
};

void main() {
  const uint c = gl_WorkGroupID.x;
  if (c >= column_count(batch, GATHER ? kCountOutputs : kCountTokens)) return;
  const uint from = (GATHER ? batch.output_index[c] : c) * (width / 4);
  float sum = 0;
  for (uint i = gl_SubgroupInvocationID; i < width / 4; i += gl_SubgroupSize) {
    const vec4 value = x.v[from + i];
    sum += dot(value, value);
  }
  const float factor = inversesqrt(subgroupAdd(sum) / float(width) + epsilon);
  for (uint i = gl_SubgroupInvocationID; i < width / 4; i += gl_SubgroupSize) {
    normed.v[c * (width / 4) + i] = x.v[from + i] * factor * weight.v[i];
  }
}
