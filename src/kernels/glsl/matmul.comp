#version 460
// Matrix times many vectors, without matrix units: out[c][r] = sum over k of weights[r][k] x[c][k] (+ bias[r]).
// A lane owns COLS vectors and holds their sums for a tile of TILES * SUBGROUP rows. Weights are decoded by the lanes,
// a row each, and handed round the subgroup by broadcasts, so nothing goes through shared memory.
// weights (rows, columns) in FORMAT; x (c, x_stride) f32; out (c, out_stride) f32; bias (rows) f32.
// Groups: (rows / (TILES * SUBGROUP * subgroups in a workgroup), vectors / (COLS * SUBGROUP)).
#include "common.glsl"
#include "epilogue.glsl"
layout(local_size_x_id = 0) in;
layout(constant_id = 1) const uint SUBGROUP = 8;
layout(constant_id = 2) const uint TILES = 4;
layout(constant_id = 3) const uint COLS = 2;
layout(constant_id = 4) const uint EPILOGUE = 0;
layout(constant_id = 5) const bool BIAS = false;
layout(constant_id = 6) const uint COUNT = 0;
const uint ROWS = TILES * SUBGROUP;

layout(push_constant) uniform Constants {
  uint64_t weights;
  uint64_t x;
  WriteFloats result;
  Floats bias;
  Batch batch;
  uint64_t grid;  // for formats of grids: the table of entries
  uint columns;
  uint rows;
  uint row_bytes;
  uint plane1, plane2, plane3;
  uint x_stride;
  uint out_stride;
};
#include "weights.glsl"

void main() {
  const uint count = column_count(batch, COUNT);
  const uint lane = gl_SubgroupInvocationID;
  const uint first_column = gl_WorkGroupID.y * COLS * SUBGROUP;
  const uint first = (gl_WorkGroupID.x * gl_NumSubgroups + gl_SubgroupID) * ROWS;
  if (first_column >= count || first >= rows) return;

  float sums[ROWS][COLS];
  [[unroll]] for (uint r = 0; r < ROWS; ++r) {
    [[unroll]] for (uint c = 0; c < COLS; ++c) sums[r][c] = 0;
  }
  // Columns past the batch's are computed with the last one's values and not stored.
  uint column[COLS];
  [[unroll]] for (uint c = 0; c < COLS; ++c) column[c] = first_column + c * SUBGROUP + lane;

  for (uint g = 0; g < columns / kGroup; ++g) {
    vec4 value[COLS][4];
    [[unroll]] for (uint c = 0; c < COLS; ++c) {
      const uint from = min(column[c], count - 1) * (x_stride / 4) + g * 4;
      [[unroll]] for (uint i = 0; i < 4; ++i) value[c][i] = load_floats4(x, from + i);
    }
    [[unroll]] for (uint tile = 0; tile < TILES; ++tile) {
      float q[16];
      vec2 scale;
      const uint row = min(first + tile * SUBGROUP + lane, rows - 1);
      load_group(weights + uint64_t(row) * row_bytes, uvec3(plane1, plane2, plane3), g, q, scale);
      [[unroll]] for (uint i = 0; i < 16; ++i) q[i] = fma(q[i], scale.x, scale.y);
      [[unroll]] for (uint r = 0; r < SUBGROUP; ++r) {
        [[unroll]] for (uint i = 0; i < 16; ++i) {
          const float w = subgroupBroadcast(q[i], r);
          [[unroll]] for (uint c = 0; c < COLS; ++c) {
            sums[tile * SUBGROUP + r][c] = fma(w, value[c][i / 4][i % 4], sums[tile * SUBGROUP + r][c]);
          }
        }
      }
    }
  }
  const uint step = EPILOGUE == kSwiGlu ? 2 : 1;
  [[unroll]] for (uint c = 0; c < COLS; ++c) {
    if (column[c] >= count) continue;
    [[unroll]] for (uint r = 0; r < ROWS; r += step) {
      if (first + r >= rows) break;
      const uint target = column[c] * out_stride + (first + r) / step;
      float sum = sums[r][c];
      if (BIAS) sum += bias.v[first + r];
      if (EPILOGUE == kSwiGlu) {
        const float up = sums[r + step - 1][c] + (BIAS ? bias.v[first + r + step - 1] : 0);
        result.v[target] = silu(sum) * up;
      } else if (EPILOGUE == kAdd) {
        result.v[target] += sum;
      } else {
        result.v[target] = sum;
      }
    }
  }
}
