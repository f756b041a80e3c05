#version 460
// Matrix times COLS int8 vectors in one read of the weights, by integer dot products:
// out[c][r] = sum over k of weights[r][k] x[c][k] (+ bias[r]).
// A subgroup computes ROWS rows at a time, PASSES times; its lanes share the columns of the matrix in units of 32.
// weights (rows, columns) in FORMAT; x (c, columns) int8 vectors (int8_vector.glsl), or f32 with NORM; out
// (c, out_stride) f32, or int8 vectors (c, rows / 2) with EPILOGUE kSwiGluInt8; bias (rows) f32.
// With NORM (COLS = 1) each workgroup makes the int8 vector of x times `norm` by itself, and divides the result by the
// root of the mean square of x: for one vector that is cheaper than a dispatch of its own before this one.
// Groups: (rows / (ROWS * PASSES * subgroups in a workgroup)).
#include "common.glsl"
#include "epilogue.glsl"
layout(local_size_x_id = 0) in;
layout(constant_id = 1) const uint SUBGROUP = 8;
layout(constant_id = 2) const uint ROWS = 4;
layout(constant_id = 3) const uint COLS = 1;
layout(constant_id = 4) const uint EPILOGUE = 0;
layout(constant_id = 5) const bool BIAS = false;
layout(constant_id = 6) const uint COUNT = 0;
layout(constant_id = 7) const uint UNROLL = 1;  // loads of this many units under way at once
layout(constant_id = 8) const uint PASSES = 1;
layout(constant_id = 9) const bool NORM = false;
layout(constant_id = 10) const uint STAGED = 1;  // with NORM: 16-byte words of the int8 vector

layout(push_constant) uniform Constants {
  uint64_t weights;
  uint64_t x;
  WriteFloats result;  // or the address of int8 vectors
  Floats bias;
  Batch batch;
  uint64_t grid;  // for formats of grids: the table of entries
  Floats4 norm;   // (columns)
  uint columns;
  uint rows;
  uint row_bytes;
  uint plane1, plane2, plane3;
  uint out_stride;
  uint result_units;  // kSwiGluInt8: of an int8 vector, and the first that this dispatch makes
  uint first_unit;
  float epsilon;
};
#define INT8_DOT
#include "weights.glsl"
#include "int8_vector.glsl"
#include "dot.glsl"

const uint kMaxSubgroups = 32;
// The int8 vector that NORM makes, and the sum of squares of each subgroup.
shared uvec4 staged[STAGED];
shared float squares[kMaxSubgroups];
// Outputs of the workgroup, for kSwiGluInt8: 32 of each vector.
shared float outputs[EPILOGUE == kSwiGluInt8 ? COLS * 32 : 1];

/// Codes of a unit, and its scale and sums.
struct Unit {
  uvec4 first;
  uvec4 second;
  uvec2 scale;
};

Unit load_unit(uint c, uint unit, uint units) {
  const uint plane = int8_plane_bytes(units);
  const uint at = 2 * (unit & 3) * (plane / 16) + (unit >> 2);
  if (NORM) {
    const uvec4 scales = staged[plane / 2 + (unit >> 1)];
    return Unit(staged[at], staged[at + plane / 16], (unit & 1) == 0 ? scales.xy : scales.zw);
  }
  const uint64_t vector = x + uint64_t(c * int8_vector_bytes(units));
  return Unit(load_words4(vector, at), load_words4(vector, at + plane / 16),
              unpackUint2x32(Words64(vector + 8 * plane).v[unit]));
}

/// Makes the int8 vector of x times norm in `staged`; call before barrier(). Its sum of squares goes to `squares`.
void stage_norm(uint units) {
  const uint lane = gl_SubgroupInvocationID;
  const uint plane = int8_plane_bytes(units);
  float sum = 0;
  for (uint first = gl_SubgroupID * SUBGROUP; first < units * 8; first += gl_NumSubgroups * SUBGROUP) {
    const uint four = min(first + lane, units * 8 - 1);
    const bool wanted = first + lane < units * 8;
    const vec4 value = load_floats4(x, four);
    if (wanted) sum += dot(value, value);
    const Int8Part part = int8_part(value * norm.v[four]);
    if (!wanted) continue;
    const uint unit = four / 8;
    const uint word = four % 8;
    staged[(2 * (unit & 3) + word / 4) * (plane / 16) + (unit >> 2)][word & 3] = part.codes;
    if (word < 2) staged[plane / 2 + (unit >> 1)][2 * (unit & 1) + word] = word == 0 ? part.d : part.sums;
  }
  sum = subgroupAdd(sum);
  if (lane == 0) squares[gl_SubgroupID] = sum;
}

void main() {
  const uint count = column_count(batch, COUNT);
  if (count == 0) return;
  const uint lane = gl_SubgroupInvocationID;
  const uint units = columns / 32;
  const uint group_rows = ROWS * PASSES * gl_NumSubgroups;
  load_tables();
  float factor = 1;
  if (NORM) {
    stage_norm(units);
    barrier();
    float sum = 0;
    for (uint i = 0; i < gl_NumSubgroups; ++i) sum += squares[i];
    factor = inversesqrt(sum / float(columns) + epsilon);
  }

  [[dont_unroll]] for (uint pass = 0; pass < PASSES; ++pass) {
    const uint in_group = (pass * gl_NumSubgroups + gl_SubgroupID) * ROWS;
    const uint first = gl_WorkGroupID.x * group_rows + in_group;
    if (EPILOGUE != kSwiGluInt8 && first >= rows) return;
    uint64_t row[ROWS];
    float sums[ROWS][COLS];
    [[unroll]] for (uint r = 0; r < ROWS; ++r) {
      row[r] = weights + uint64_t(min(first + r, rows - 1)) * row_bytes;
      [[unroll]] for (uint c = 0; c < COLS; ++c) sums[r][c] = 0;
    }
    float previous[ROWS][COLS];  // asked for now, so that nobody waits for it in the end
    if (EPILOGUE == kAdd) {
      [[unroll]] for (uint r = 0; r < ROWS; ++r) {
        [[unroll]] for (uint c = 0; c < COLS; ++c) {
          previous[r][c] = lane == r % SUBGROUP && c < count ? result.v[c * out_stride + min(first + r, rows - 1)] : 0;
        }
      }
    }

    const uint step = SUBGROUP * kLoadUnits;
    for (uint base = lane * kLoadUnits; base < units; base += step * UNROLL) {
      Packed packed[UNROLL][ROWS];
      [[unroll]] for (uint k = 0; k < UNROLL; ++k) {
        [[unroll]] for (uint r = 0; r < ROWS; ++r) {
          packed[k][r] = load_packed(row[r], uvec3(plane1, plane2, plane3), min(base + k * step, units - kLoadUnits));
        }
      }
      [[unroll]] for (uint k = 0; k < UNROLL; ++k) {
        const uint unit = base + k * step;
        if (k > 0 && unit >= units) break;
        [[unroll]] for (uint index = 0; index < kLoadUnits; ++index) {
          uint codes[ROWS][8];
          vec4 scale[ROWS];
          [[unroll]] for (uint r = 0; r < ROWS; ++r) unpack(packed[k][r], unit, index, codes[r], scale[r]);
          [[unroll]] for (uint c = 0; c < COLS; ++c) {
            const Unit v = load_unit(c, unit + index, units);
            const float d = uintBitsToFloat(v.scale.x);
            const ivec2 total = ivec2(bitfieldExtract(int(v.scale.y), 0, 16), int(v.scale.y) >> 16);
            const vec2 offset = d * (kHalves == 1 ? vec2(total.x + total.y, 0) : vec2(total));
            [[unroll]] for (uint r = 0; r < ROWS; ++r) {
              int first_dot = kZero == 0 ? 0 : -kZero * (kHalves == 1 ? total.x + total.y : total.x);
              int second_dot = kHalves == 1 ? 0 : -kZero * total.y;
              [[unroll]] for (uint i = 0; i < 4; ++i) first_dot += dot_bytes(codes[r][i], v.first[i]);
              [[unroll]] for (uint i = 0; i < 4; ++i) {
                if (kHalves == 1) {
                  first_dot += dot_bytes(codes[r][4 + i], v.second[i]);
                } else {
                  second_dot += dot_bytes(codes[r][4 + i], v.second[i]);
                }
              }
              float sum = scale[r].x * float(first_dot);
              if (kHalves == 2) sum = fma(scale[r].y, float(second_dot), sum);
              sums[r][c] = fma(d, sum, sums[r][c]);
              if (kOffsets) {
                sums[r][c] = fma(scale[r].z, offset.x, sums[r][c]);
                if (kHalves == 2) sums[r][c] = fma(scale[r].w, offset.y, sums[r][c]);
              }
            }
          }
        }
      }
    }

    [[unroll]] for (uint c = 0; c < COLS; ++c) {
      [[unroll]] for (uint r = 0; r < ROWS; ++r) {
        sums[r][c] = subgroupAdd(sums[r][c]) * factor;
        if (BIAS) sums[r][c] += bias.v[min(first + r, rows - 1)];
      }
      if (EPILOGUE == kSwiGluInt8) {
        [[unroll]] for (uint r = 0; r + 1 < ROWS; r += 2) {
          if (lane == (r / 2) % SUBGROUP) outputs[c * 32 + (in_group + r) / 2] = silu(sums[r][c]) * sums[r + 1][c];
        }
        continue;
      }
      const uint stride = EPILOGUE == kSwiGlu ? 2 : 1;
      [[unroll]] for (uint r = 0; r < ROWS; r += stride) {
        const uint target = c * out_stride + (first + r) / stride;
        if (lane == r % SUBGROUP && first + r < rows && c < count) {
          if (EPILOGUE == kSwiGlu) {
            result.v[target] = silu(sums[r][c]) * sums[r + stride - 1][c];
          } else if (EPILOGUE == kAdd) {
            result.v[target] = previous[r][c] + sums[r][c];
          } else {
            result.v[target] = sums[r][c];
          }
        }
      }
    }
  }
  if (EPILOGUE != kSwiGluInt8) return;
  // The workgroup has 64 rows, which are one unit of the result.
  barrier();
  for (uint first = gl_SubgroupID * SUBGROUP; first < COLS * 8; first += gl_NumSubgroups * SUBGROUP) {
    const uint four = min(first + lane, COLS * 8 - 1);
    const uint c = four / 8;
    const uint base = four * 4;
    store_int8_unit(uint64_t(result) + uint64_t(c * int8_vector_bytes(result_units)), result_units,
                    first_unit + gl_WorkGroupID.x,
                    vec4(outputs[base], outputs[base + 1], outputs[base + 2], outputs[base + 3]),
                    first + lane < COLS * 8 && c < count);
  }
}
