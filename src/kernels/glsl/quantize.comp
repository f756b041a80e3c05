#version 460
// Activations as int8 vectors (int8_vector.glsl). x (tokens, width) f32. A lane has four values.
// Groups: (width / 4 / workgroup size, tokens).
#include "common.glsl"
#include "int8_vector.glsl"
layout(local_size_x_id = 0) in;

layout(push_constant) uniform Constants {
  Floats4 x;
  uint64_t vectors;
  Batch batch;
  uint width;
};

void main() {
  const uint fours = width / 4;
  const uint i = min(gl_GlobalInvocationID.x, fours - 1);
  const uint token = gl_WorkGroupID.y;
  if (token >= batch.tokens) return;
  store_int8_unit(vectors + uint64_t(token * int8_vector_bytes(width / 32)), width / 32, i / 8, x.v[token * fours + i],
                  gl_GlobalInvocationID.x < fours);
}
