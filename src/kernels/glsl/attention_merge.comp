#version 460
// Merges the parts of split attention: out = sum of parts, each scaled from its own maximum to the common one.
// parts (tokens, heads, splits, HEAD + 2) f32; out (tokens, heads * HEAD) f32 or f16. Groups: (heads, tokens).
#include "common.glsl"
layout(local_size_x_id = 0) in;
layout(constant_id = 1) const uint HEAD = 64;
layout(constant_id = 2) const bool HALF_OUT = false;

layout(push_constant) uniform Constants {
  Floats parts;
  uint64_t result;
  Batch batch;
  uint heads;
  uint splits;
};

void main() {
  const uint t = gl_WorkGroupID.y;
  if (t >= batch.tokens) return;
  const uint base = (t * heads + gl_WorkGroupID.x) * splits * (HEAD + 2);
  float maximum = -1e30;
  for (uint s = 0; s < splits; ++s) maximum = max(maximum, parts.v[base + s * (HEAD + 2) + HEAD]);
  float weight = 0;
  for (uint s = 0; s < splits; ++s) {
    const uint part = base + s * (HEAD + 2);
    weight += parts.v[part + HEAD + 1] * exp(parts.v[part + HEAD] - maximum);
  }
  const uint row = (t * heads + gl_WorkGroupID.x) * HEAD;
  for (uint d = 2 * gl_LocalInvocationID.x; d < HEAD; d += 2 * gl_WorkGroupSize.x) {
    vec2 sum = vec2(0);
    for (uint s = 0; s < splits; ++s) {
      const uint part = base + s * (HEAD + 2);
      sum += vec2(parts.v[part + d], parts.v[part + d + 1]) * exp(parts.v[part + HEAD] - maximum);
    }
    sum /= weight;
    if (HALF_OUT) {
      WriteWords(result).v[(row + d) / 2] = packHalf2x16(sum);
    } else {
      WriteFloats(result).v[row + d] = sum.x;
      WriteFloats(result).v[row + d + 1] = sum.y;
    }
  }
}
