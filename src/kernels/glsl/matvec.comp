#version 460
// Matrix times COLS vectors in one read of the weights: out[c][r] = sum over k of weights[r][k] x[c][k] (+ bias[r]).
// A subgroup computes ROWS rows; its lanes share the columns of the matrix in groups of 16.
// weights (rows, columns) in FORMAT; x (c, x_stride) f32; out (c, out_stride) f32; bias (rows) f32.
// Groups: (rows / (ROWS * subgroups in a workgroup), vectors / COLS).
#include "common.glsl"
#include "epilogue.glsl"
layout(local_size_x_id = 0) in;
layout(constant_id = 1) const uint SUBGROUP = 8;
layout(constant_id = 2) const uint ROWS = 4;
layout(constant_id = 3) const uint COLS = 1;
layout(constant_id = 4) const uint EPILOGUE = 0;
layout(constant_id = 5) const bool BIAS = false;
layout(constant_id = 6) const uint COUNT = 0;
layout(constant_id = 7) const bool SOFTWARE = false;

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

layout(buffer_reference, std430, buffer_reference_align = 16) readonly buffer Doubles2 { u64vec2 v[]; };

/// A software device loads number by number, lane by lane: of 64 bits they are half as many, for 3 to 5 % of a product.
vec4 load_x4(uint index) {
  if (!SOFTWARE) return load_floats4(x, index);
  const u64vec2 pairs = Doubles2(x).v[index];
  return uintBitsToFloat(uvec4(unpackUint2x32(pairs.x), unpackUint2x32(pairs.y)));
}

const uint kStep = EPILOGUE == kSwiGlu ? 2 : 1;  // rows of an output
// Each lane stores outputs of its own: for a software device a store takes some dozen cycles, however few lanes make it.
const bool kFillsLanes = ROWS % (SUBGROUP * kStep) == 0;

/// Stores what is made of the sum of `row` and, for kSwiGlu, that of the row behind it.
void store_output(uint row, uint column, bool wanted, float sum, float behind) {
  if (BIAS) {
    sum += bias.v[min(row, rows - 1)];
    if (EPILOGUE == kSwiGlu) behind += bias.v[min(row + 1, rows - 1)];
  }
  if (!wanted || row >= rows) return;
  const uint target = column * out_stride + row / kStep;
  if (EPILOGUE == kSwiGlu) {
    result.v[target] = silu(sum) * behind;
  } else if (EPILOGUE == kAdd) {
    result.v[target] += sum;
  } else {
    result.v[target] = sum;
  }
}

void main() {
  const uint count = column_count(batch, COUNT);
  const uint first_column = gl_WorkGroupID.y * COLS;
  if (first_column >= count) return;
  const uint lane = gl_SubgroupInvocationID;
  const uint first = (gl_WorkGroupID.x * gl_NumSubgroups + gl_SubgroupID) * ROWS;
  if (first >= rows) return;

  float sums[ROWS][COLS];
  uint64_t row[ROWS];
  [[unroll]] for (uint r = 0; r < ROWS; ++r) {
    row[r] = weights + uint64_t(min(first + r, rows - 1)) * row_bytes;
    [[unroll]] for (uint c = 0; c < COLS; ++c) sums[r][c] = 0;
  }
  for (uint g = lane; g < columns / kGroup; g += SUBGROUP) {
    vec4 value[COLS][4];
    float total[COLS];  // an offset times the sum of the inputs is the sum of offset times input
    [[unroll]] for (uint c = 0; c < COLS; ++c) {
      [[unroll]] for (uint i = 0; i < 4; ++i) value[c][i] = load_x4((first_column + c) * (x_stride / 4) + g * 4 + i);
      total[c] = dot(value[c][0] + value[c][1] + value[c][2] + value[c][3], vec4(1));
    }
    [[unroll]] for (uint r = 0; r < ROWS; ++r) {
      float q[16];
      vec2 scale;
      load_group(row[r], uvec3(plane1, plane2, plane3), g, q, scale);
      [[unroll]] for (uint c = 0; c < COLS; ++c) {
        float sum = 0;
        [[unroll]] for (uint i = 0; i < 16; ++i) sum = fma(q[i], value[c][i / 4][i % 4], sum);
        sums[r][c] += scale.x * sum + scale.y * total[c];
      }
    }
  }
  [[unroll]] for (uint c = 0; c < COLS; ++c) {
    const uint column = first_column + c;
    if (kFillsLanes) {
      [[unroll]] for (uint r = 0; r < ROWS; r += SUBGROUP * kStep) {
        float sum = 0;
        float behind = 0;
        [[unroll]] for (uint i = 0; i < SUBGROUP; ++i) {
          const float all = subgroupAdd(sums[r + i * kStep][c]);
          if (lane == i) sum = all;
          if (EPILOGUE != kSwiGlu) continue;
          const float all_behind = subgroupAdd(sums[r + i * kStep + kStep - 1][c]);
          if (lane == i) behind = all_behind;
        }
        store_output(first + r + lane * kStep, column, column < count, sum, behind);
      }
    } else {
      [[unroll]] for (uint r = 0; r < ROWS; ++r) sums[r][c] = subgroupAdd(sums[r][c]);
      [[unroll]] for (uint r = 0; r < ROWS; r += kStep) {
        store_output(first + r, column, lane == r / kStep % SUBGROUP && column < count, sums[r][c],
                     sums[r + kStep - 1][c]);
      }
    }
  }
}
