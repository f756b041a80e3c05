#version 460
// Embedding: out[t] = table row of token t, for the tokens whose rows lie in this part of the table.
// Groups: (tokens). table (rows, columns) in FORMAT; out (tokens, columns) f32.
#include "common.glsl"
layout(local_size_x_id = 0) in;

layout(push_constant) uniform Constants {
  uint64_t table;
  WriteFloats4 x;
  Batch batch;
  uint64_t grid;  // for formats of grids: the table of entries
  uint columns;
  uint first_row;
  uint rows;
  uint row_bytes;
  uint plane1, plane2, plane3;
};
#include "weights.glsl"

void main() {
  const uint t = gl_WorkGroupID.x;
  if (t >= batch.tokens) return;
  const uint index = batch.entries[t].token - first_row;
  if (index >= rows) return;
  const uint64_t row = table + uint64_t(index) * row_bytes;
  for (uint g = gl_LocalInvocationID.x; g < columns / kGroup; g += gl_WorkGroupSize.x) {
    float q[16];
    vec2 scale;
    load_group(row, uvec3(plane1, plane2, plane3), g, q, scale);
    [[unroll]] for (uint i = 0; i < 4; ++i) {
      x.v[(t * columns + g * kGroup) / 4 + i] =
          vec4(q[4 * i], q[4 * i + 1], q[4 * i + 2], q[4 * i + 3]) * scale.x + scale.y;
    }
  }
}
