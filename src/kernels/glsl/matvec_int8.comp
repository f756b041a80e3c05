#version 460
// Matrix times COLS int8 vectors in one read of the weights, by integer dot products:
// out[c][r] = sum over k of weights[r][k] x[c][k] (+ bias[r]).
// A subgroup computes ROWS rows at a time, PASSES times; its lanes share the columns of the matrix in units of 32.
// weights (rows, columns) in FORMAT; x (COLS, columns) int8 vectors (int8_vector.glsl), with NORMED such as are to be
// normalised; bias (rows) f32; out (c, out_stride) f32 and, as EPILOGUE asks, int8 vectors (c, 32 * vector_units).
// With TERMS = 2, x[c] is the sum of two neighbouring int8 vectors, and there are COLS / 2 of them.
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
layout(constant_id = 7) const uint UNROLL = 1;  // a lane loads this many units of a row at once
layout(constant_id = 8) const uint PASSES = 1;
layout(constant_id = 9) const bool NORMED = false;
layout(constant_id = 10) const bool MIXED_DOT = false;  // products of signed with unsigned bytes are as fast as others
// The next loads are under way while sums are made, at the price of registers, and with that of fewer subgroups.
layout(constant_id = 11) const bool AHEAD = false;
layout(constant_id = 12) const uint TERMS = 1;  // with 2, EPILOGUE is kStore

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

const bool kAdds = EPILOGUE == kAdd || EPILOGUE == kAddInt8;
const bool kMakesVectors = EPILOGUE == kSwiGluInt8 || EPILOGUE == kAddInt8;
// What the workgroup makes a unit of each vector of.
shared float outputs[kMakesVectors ? COLS * 32 : 1];

// What a lane has loaded of UNROLL units of each row: what it computes with, and what comes next.
Packed current[UNROLL][ROWS];
Packed next[UNROLL][ROWS];
float sums[ROWS][COLS];
float squares[COLS];  // of the inputs

/// Adds the products of load `load` of the current ones, units from `first_unit_of_load` on. Integers are added to the
/// bits of 1.5 * 2^23, whose last bit counts 1: so they are a float at the price of a subtraction. They stay below 2^20.
void accumulate(uint load, uint first_unit_of_load, uint units) {
  const uint plane = int8_plane_bytes(units) / 16;
  [[unroll]] for (uint index = 0; index < kLoadUnits; ++index) {
    const uint unit = first_unit_of_load + index;
    uint codes[ROWS][8];
    vec4 scale[ROWS];
    [[unroll]] for (uint r = 0; r < ROWS; ++r) unpack(current[load][r], first_unit_of_load, index, codes[r], scale[r]);
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

/// The first of a subgroup's rows in a pass.
uint first_row(uint pass) {
  return gl_WorkGroupID.x * (ROWS * PASSES * gl_NumSubgroups) + (pass * gl_NumSubgroups + gl_SubgroupID) * ROWS;
}

/// Loads units `unit`, `unit + step`, ... of each row of a pass into `next`; in place of what is not there, the last.
void load_units(uint pass, uint unit, uint step, uint units) {
  const uint first = first_row(pass);
  [[unroll]] for (uint r = 0; r < ROWS; ++r) {
    const uint64_t row = weights + uint64_t(min(first + r, rows - 1)) * row_bytes;
    [[unroll]] for (uint k = 0; k < UNROLL; ++k) {
      next[k][r] = load_packed(row, uvec3(plane1, plane2, plane3), min(unit + k * step, units - kLoadUnits));
    }
  }
}

void clear_sums() {
  [[unroll]] for (uint c = 0; c < COLS; ++c) {
    squares[c] = 0;
    [[unroll]] for (uint r = 0; r < ROWS; ++r) sums[r][c] = 0;
  }
}

/// Sums over the subgroup, and stores the results of a pass.
void finish_rows(uint pass, uint count, float previous[ROWS][COLS]) {
  const uint lane = gl_SubgroupInvocationID;
  const uint first = first_row(pass);
  [[unroll]] for (uint c = 0; c < COLS / TERMS; ++c) {
    const float factor = NORMED ? inversesqrt(subgroupAdd(squares[c * TERMS]) / float(columns) + epsilon) : 1;
    [[unroll]] for (uint r = 0; r < ROWS; ++r) {
      float sum = sums[r][c * TERMS];
      if (TERMS == 2) sum += sums[r][c * TERMS + 1];
      sums[r][c] = subgroupAdd(sum) * factor;
      if (BIAS) sums[r][c] += bias.v[min(first + r, rows - 1)];
      if (kAdds) sums[r][c] += previous[r][c];
    }
    const uint stride = EPILOGUE == kSwiGlu || EPILOGUE == kSwiGluInt8 ? 2 : 1;
    [[unroll]] for (uint r = 0; r < ROWS; r += stride) {
      if (lane != r % SUBGROUP || c >= count) continue;
      const float value = stride == 2 ? silu(sums[r][c]) * sums[r + stride - 1][c] : sums[r][c];
      if (kMakesVectors) outputs[c * 32 + ((pass * gl_NumSubgroups + gl_SubgroupID) * ROWS + r) / stride] = value;
      if (EPILOGUE != kSwiGluInt8 && first + r < rows) result.v[c * out_stride + (first + r) / stride] = value;
    }
  }
  clear_sums();
}

void main() {
  const uint count = column_count(batch, COUNT);
  if (count == 0) return;
  const uint lane = gl_SubgroupInvocationID;
  const uint units = columns / 32;
  const uint step = SUBGROUP * kLoadUnits;
  const uint turns = (units + UNROLL * step - 1) / (UNROLL * step);  // that the lanes take for a row

  if (AHEAD) load_units(0, lane * kLoadUnits, step, units);  // before tables are there
  load_tables();
  clear_sums();
  float previous[ROWS][COLS];
  uint pass = 0;
  uint turn = 0;
  [[dont_unroll]] while (pass < PASSES) {
    const uint unit = lane * kLoadUnits + turn * UNROLL * step;
    const bool last = turn + 1 == turns;
    if (!AHEAD) load_units(pass, unit, step, units);
    [[unroll]] for (uint k = 0; k < UNROLL; ++k) {
      [[unroll]] for (uint r = 0; r < ROWS; ++r) current[k][r] = next[k][r];
    }
    if (kAdds && turn == 0) {
      [[unroll]] for (uint r = 0; r < ROWS; ++r) {
        const uint row = min(first_row(pass) + r, rows - 1);
        [[unroll]] for (uint c = 0; c < COLS; ++c) {
          previous[r][c] = lane == r % SUBGROUP && c < count ? result.v[c * out_stride + row] : 0;
        }
      }
    }
    if (AHEAD && !last) {
      load_units(pass, unit + UNROLL * step, step, units);
    } else if (AHEAD && pass + 1 < PASSES) {
      load_units(pass + 1, lane * kLoadUnits, step, units);
    }
    [[unroll]] for (uint k = 0; k < UNROLL; ++k) {
      if (unit + k * step < units) accumulate(k, unit + k * step, units);
    }
    ++turn;
    if (last) {
      finish_rows(pass, count, previous);
      ++pass;
      turn = 0;
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
