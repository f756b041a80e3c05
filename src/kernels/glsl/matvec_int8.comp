#version 460
// Matrix times COLS int8 vectors in one read of the weights, by integer dot products:
// out[c][r] = sum over k of weights[r][k] x[c][k] (+ bias[r]).
// A subgroup computes ROWS rows at a time, PASSES times; its lanes share the columns of the matrix in units of 32.
// weights (rows, columns) in FORMAT; x (c, columns) int8 vectors (int8_vector.glsl), with NORMED such as are to be
// normalised; bias (rows) f32; out (c, out_stride) f32 and, as EPILOGUE asks, int8 vectors (c, 32 * vector_units).
// Groups: (rows / (ROWS * PASSES * subgroups in a workgroup)). Where int8 vectors are made, a workgroup makes one unit.
#include "common.glsl"
#include "epilogue.glsl"
layout(local_size_x_id = 0) in;
layout(constant_id = 1) const uint SUBGROUP = 8;
layout(constant_id = 2) const uint ROWS = 4;
layout(constant_id = 3) const uint COLS = 1;
layout(constant_id = 4) const uint EPILOGUE = 0;
layout(constant_id = 5) const bool BIAS = false;
layout(constant_id = 6) const uint COUNT = 0;
layout(constant_id = 7) const uint UNROLL = 1;  // loads of this many units of a row under way at once
layout(constant_id = 8) const uint PASSES = 1;
layout(constant_id = 9) const bool NORMED = false;
layout(constant_id = 10) const bool MIXED_DOT = false;  // products of signed with unsigned bytes are as fast as others

layout(push_constant) uniform Constants {
  uint64_t weights;
  uint64_t x;
  WriteFloats result;
  uint64_t vectors;  // those to be made
  Floats bias;
  Batch batch;
  uint64_t grid;       // for formats of grids: the table of entries
  Floats4 norm;        // kAddInt8: (rows)
  uint columns;
  uint rows;
  uint row_bytes;
  uint plane1, plane2, plane3;
  uint out_stride;
  uint vector_units;  // of the vectors to be made, and the first that this dispatch makes
  uint first_unit;
  float epsilon;
};
#define INT8_DOT
#include "weights.glsl"
#include "int8_vector.glsl"
#include "dot.glsl"

const bool kMakesVectors = EPILOGUE == kSwiGluInt8 || EPILOGUE == kAddInt8;
// What the workgroup makes a unit of each vector of.
shared float outputs[kMakesVectors ? COLS * 32 : 1];

float sums[ROWS][COLS];
float squares[COLS];  // of the inputs

/// Adds the products of one load of units of each row. Integers are added to the bits of 1.5 * 2^23, whose last bit
/// counts 1: so they are a float at the price of a subtraction. They stay below 2^20.
void accumulate(Packed packed[ROWS], uint first_unit_of_load, uint units) {
  const uint plane = int8_plane_bytes(units) / 16;
  [[unroll]] for (uint index = 0; index < kLoadUnits; ++index) {
    const uint unit = first_unit_of_load + index;
    uint codes[ROWS][8];
    vec4 scale[ROWS];
    [[unroll]] for (uint r = 0; r < ROWS; ++r) unpack(packed[r], first_unit_of_load, index, codes[r], scale[r]);
    const uint at = 2 * (unit & 3) * plane + (unit >> 2);
    [[unroll]] for (uint c = 0; c < COLS; ++c) {
      const uint64_t vector = x + uint64_t(c * int8_vector_bytes(units));
      const uvec4 first = load_words4(vector, at);
      const uvec4 second = load_words4(vector, at + plane);
      const vec4 facts = load_floats4(vector, 8 * plane + unit);
      if (NORMED) squares[c] += facts.w;
      [[unroll]] for (uint r = 0; r < ROWS; ++r) {
        const int kFloatBits = 0x4B400000;
        ivec2 even = ivec2(kFloatBits);
        ivec2 odd = ivec2(0);
        [[unroll]] for (uint i = 0; i < 8; ++i) {
          const uint word = i < 4 ? first[i] : second[i - 4];
          const int product = kUnsigned ? dot_signed_unsigned(word, codes[r][i]) : dot_bytes(word, codes[r][i]);
          const uint half_index = kHalves == 2 ? i / 4 : 0;
          if (kOddShift > 0 && i % 2 == 1) {
            odd[half_index] += product;
          } else {
            even[half_index] += product;
          }
        }
        if (kOddShift > 0) even += odd >> kOddShift;
        const float kFloat = 12582912.0;
        float sum = scale[r].x * (intBitsToFloat(even.x) - kFloat);
        if (kHalves == 2) sum = fma(scale[r].y, intBitsToFloat(even.y) - kFloat, sum);
        sums[r][c] = fma(facts.x, sum, sums[r][c]);
        if (kOffsets && kHalves == 1) sums[r][c] = fma(scale[r].z, facts.y + facts.z, sums[r][c]);
        if (kOffsets && kHalves == 2) sums[r][c] = fma(scale[r].z, facts.y, fma(scale[r].w, facts.z, sums[r][c]));
      }
    }
  }
}

void main() {
  const uint count = column_count(batch, COUNT);
  if (count == 0) return;
  const uint lane = gl_SubgroupInvocationID;
  const uint units = columns / 32;
  load_tables();

  [[dont_unroll]] for (uint pass = 0; pass < PASSES; ++pass) {
    const uint in_group = (pass * gl_NumSubgroups + gl_SubgroupID) * ROWS;
    const uint first = gl_WorkGroupID.x * (ROWS * PASSES * gl_NumSubgroups) + in_group;
    if (!kMakesVectors && first >= rows) return;
    uint64_t row[ROWS];
    float previous[ROWS][COLS];  // asked for now, so that nobody waits for it in the end
    [[unroll]] for (uint r = 0; r < ROWS; ++r) {
      row[r] = weights + uint64_t(min(first + r, rows - 1)) * row_bytes;
      [[unroll]] for (uint c = 0; c < COLS; ++c) {
        sums[r][c] = 0;
        squares[c] = 0;
        if (EPILOGUE == kAdd || EPILOGUE == kAddInt8) {
          previous[r][c] = lane == r % SUBGROUP && c < count ? result.v[c * out_stride + min(first + r, rows - 1)] : 0;
        }
      }
    }

    const uvec3 planes = uvec3(plane1, plane2, plane3);
    const uint step = SUBGROUP * kLoadUnits;
    uint unit = lane * kLoadUnits;
    if (UNROLL > 1) {
      for (; unit + (UNROLL - 1) * step < units; unit += UNROLL * step) {
        Packed packed[UNROLL][ROWS];
        [[unroll]] for (uint k = 0; k < UNROLL; ++k) {
          [[unroll]] for (uint r = 0; r < ROWS; ++r) packed[k][r] = load_packed(row[r], planes, unit + k * step);
        }
        [[unroll]] for (uint k = 0; k < UNROLL; ++k) accumulate(packed[k], unit + k * step, units);
      }
    }
    for (; unit < units; unit += step) {
      Packed packed[ROWS];
      [[unroll]] for (uint r = 0; r < ROWS; ++r) packed[r] = load_packed(row[r], planes, unit);
      accumulate(packed, unit, units);
    }

    [[unroll]] for (uint c = 0; c < COLS; ++c) {
      const float factor = NORMED ? inversesqrt(subgroupAdd(squares[c]) / float(columns) + epsilon) : 1;
      [[unroll]] for (uint r = 0; r < ROWS; ++r) {
        sums[r][c] = subgroupAdd(sums[r][c]) * factor;
        if (BIAS) sums[r][c] += bias.v[min(first + r, rows - 1)];
        if (EPILOGUE == kAdd || EPILOGUE == kAddInt8) sums[r][c] += previous[r][c];
      }
      const uint stride = EPILOGUE == kSwiGlu || EPILOGUE == kSwiGluInt8 ? 2 : 1;
      [[unroll]] for (uint r = 0; r < ROWS; r += stride) {
        if (lane != r % SUBGROUP || c >= count) continue;
        const float value = stride == 2 ? silu(sums[r][c]) * sums[r + stride - 1][c] : sums[r][c];
        if (kMakesVectors) outputs[c * 32 + (in_group + r) / stride] = value;
        if (EPILOGUE != kSwiGluInt8 && first + r < rows) result.v[c * out_stride + (first + r) / stride] = value;
      }
    }
  }
  if (!kMakesVectors) return;
  barrier();
  for (uint begin = gl_SubgroupID * SUBGROUP; begin < COLS * 8; begin += gl_NumSubgroups * SUBGROUP) {
    const uint four = min(begin + lane, COLS * 8 - 1);
    const uint c = four / 8;
    const uint unit = first_unit + gl_WorkGroupID.x;
    vec4 value = vec4(outputs[four * 4], outputs[four * 4 + 1], outputs[four * 4 + 2], outputs[four * 4 + 3]);
    const float square = dot(value, value);
    if (EPILOGUE == kAddInt8) value *= norm.v[gl_WorkGroupID.x * 8 + four % 8];
    store_int8_unit(vectors + uint64_t(c * int8_vector_bytes(vector_units)), vector_units, unit, value,
                    EPILOGUE == kAddInt8 ? square : 0, begin + lane < COLS * 8 && c < count);
  }
}
