#version 460
// out = silu(gate) * up, for models whose gate and up matrices could not be laid out as one.
// gate, up, out (tokens, width) f32. Groups: (width / workgroup size, tokens).
#include "common.glsl"
#include "epilogue.glsl"
layout(local_size_x_id = 0) in;

layout(push_constant) uniform Constants {
  Floats gate;
  Floats up;
  WriteFloats result;
  Batch batch;
  uint width;
};

void main() {
  const uint i = gl_GlobalInvocationID.x;
  if (i >= width || gl_WorkGroupID.y >= batch.tokens) return;
  const uint at = gl_WorkGroupID.y * width + i;
  result.v[at] = silu(gate.v[at]) * up.v[at];
}
