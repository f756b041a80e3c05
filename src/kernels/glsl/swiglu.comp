#version 460
// out = silu(gate) * up, for models whose gate and up matrices could not be laid out as one.
// gate, up, out (tokens, width) f32, or out as f16 times half_scale, or as int8 vectors (tokens, width)
// (int8_vector.glsl). A lane has four values. Groups: (width / 4 / workgroup size, tokens).
#include "common.glsl"
#include "epilogue.glsl"
#include "halves.glsl"
#include "int8_vector.glsl"
layout(local_size_x_id = 0) in;
layout(constant_id = 1) const bool INT8 = false;
layout(constant_id = 2) const bool HALF = false;

layout(push_constant) uniform Constants {
  Floats4 gate;
  Floats4 up;
  uint64_t result;
  uint64_t vectors;
  Batch batch;
  uint width;
  float half_scale;
};

void main() {
  const uint fours = width / 4;
  const uint i = min(gl_GlobalInvocationID.x, fours - 1);
  const bool wanted = gl_GlobalInvocationID.x < fours;
  if (gl_WorkGroupID.y >= batch.tokens) return;
  const uint at = gl_WorkGroupID.y * fours + i;
  const vec4 g = gate.v[at];
  const vec4 value = vec4(silu(g.x), silu(g.y), silu(g.z), silu(g.w)) * up.v[at];
  if (INT8) {
    store_int8_unit(vectors + uint64_t(gl_WorkGroupID.y * int8_vector_bytes(width / 32)), width / 32, i / 8, value,
                    wanted);
  } else if (HALF && wanted) {
    WriteWords2(result).v[at] = pack_halves(value * half_scale);
  } else if (wanted) {
    WriteFloats4(result).v[at] = value;
  }
}
