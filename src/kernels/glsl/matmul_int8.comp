#version 460
// Matrix times many int8 vectors by integer dot products, where there are no matrix units:
// out[c][r] = sum over k of weights[r][k] x[c][k] (+ bias[r]).
// A workgroup makes a tile of ROWS x COLUMNS results. It goes through the columns of the matrix UNITS units of 32 at a
// time: weights are made bytes once for the whole tile and lie in shared memory beside their scales and the vectors; a
// lane sums LANE_ROWS x LANE_COLUMNS results in registers. With SLICES, as many groups of lanes have the same results and
// share the units: few results do not make few lanes.
// weights (rows, columns) in FORMAT; x (c, columns) int8 vectors (int8_vector.glsl), with NORMED such as are to be
// normalised; bias (rows) f32; out (c, out_stride) f32 and, as EPILOGUE asks, int8 vectors (c, 32 * vector_units).
// Groups: (c / COLUMNS, rows / ROWS): those that share weights run side by side. Where int8 vectors are made, ROWS makes
// whole units.
#include "common.glsl"
#include "epilogue.glsl"
layout(local_size_x_id = 0) in;  // ROWS / LANE_ROWS * COLUMNS / LANE_COLUMNS * SLICES
layout(constant_id = 1) const uint SUBGROUP = 8;
layout(constant_id = 2) const uint ROWS = 16;
layout(constant_id = 3) const uint COLUMNS = 16;
layout(constant_id = 4) const uint EPILOGUE = 0;
layout(constant_id = 5) const bool BIAS = false;
layout(constant_id = 6) const uint COUNT = 0;
layout(constant_id = 7) const uint LANE_ROWS = 4;
layout(constant_id = 8) const uint LANE_COLUMNS = 4;
layout(constant_id = 9) const bool NORMED = false;
layout(constant_id = 10) const uint UNITS = 4;  // a multiple of SLICES and of kLoadUnits
layout(constant_id = 11) const uint SLICES = 1;
// What comes next is loaded to registers while sums are made.
layout(constant_id = 12) const bool AHEAD = false;

layout(push_constant) uniform Constants {
  uint64_t weights;
  uint64_t x;
  WriteFloats result;
  uint64_t vectors;  // those to be made
  Floats bias;
  Batch batch;
  uint64_t grid;  // for formats of grids: the table of entries
  Floats4 norm;   // kAddInt8: (rows)
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
const bool MIXED_DOT = false;  // bytes are parted once a tile, so there is nothing to gain
#include "weights.glsl"
#include "int8_vector.glsl"
#include "dot.glsl"

const bool kAdds = EPILOGUE == kAdd || EPILOGUE == kAddInt8;
const bool kMakesVectors = EPILOGUE == kSwiGluInt8 || EPILOGUE == kAddInt8;
const uint kRowsAnOutput = EPILOGUE == kSwiGlu || EPILOGUE == kSwiGluInt8 ? 2 : 1;
const uint kRowLanes = ROWS / LANE_ROWS;
const uint kColumnLanes = COLUMNS / LANE_COLUMNS;
const uint kLanes = kRowLanes * kColumnLanes * SLICES;

// Loads of a lane: of weights kLoadUnits units each, of vectors one.
const uint kUnitLoads = UNITS / kLoadUnits;
const uint kWeightLoads = (ROWS * kUnitLoads + kLanes - 1) / kLanes;
const uint kVectorLoads = (COLUMNS * UNITS + kLanes - 1) / kLanes;
Packed packed[kWeightLoads];
uvec4 loaded_codes[kVectorLoads][2];
vec4 loaded_facts[kVectorLoads];

// What the workgroup works on: half h of unit u of row r at (2 u + h) * kRowStride + r. The stride keeps lanes that store
// neighbouring units of a row in different banks.
const uint kRowStride = ROWS + 1;
const uint kColumnStride = COLUMNS + 1;
shared uvec4 weight_codes[2 * UNITS * kRowStride];
shared vec2 unit_scales[kHalves == 1 ? UNITS * ROWS : 1];  // and offsets
shared vec4 half_scales[kHalves == 2 ? UNITS * ROWS : 1];
shared uvec4 vector_codes[2 * UNITS * kColumnStride];
shared vec4 vector_facts[UNITS * COLUMNS];
// On the way out: one column of each lane's results, and the squares of the inputs.
shared float lane_sums[SLICES * kColumnLanes * ROWS];
shared float input_squares[NORMED ? SLICES * COLUMNS : 1];

float sums[LANE_ROWS][LANE_COLUMNS];
float squares[LANE_COLUMNS];  // of the inputs

/// Loads units `unit` to `unit + UNITS - 1` of the tile; in place of what is not there, the last.
void load_tile(uint first_row, uint first_column, uint count, uint unit, uint units) {
  [[unroll]] for (uint k = 0; k < kWeightLoads; ++k) {
    const uint load = min(k * kLanes + gl_LocalInvocationIndex, ROWS * kUnitLoads - 1);
    const uint row = min(first_row + load / kUnitLoads, rows - 1);
    packed[k] = load_packed(weights + uint64_t(row) * row_bytes, uvec3(plane1, plane2, plane3),
                            min(unit + load % kUnitLoads * kLoadUnits, units - kLoadUnits));
  }
  const uint plane = int8_plane_bytes(units) / 16;
  [[unroll]] for (uint k = 0; k < kVectorLoads; ++k) {
    const uint load = min(k * kLanes + gl_LocalInvocationIndex, COLUMNS * UNITS - 1);
    const uint column = min(first_column + load / UNITS, count - 1);
    const uint from = min(unit + load % UNITS, units - 1);
    const uint64_t vector = x + uint64_t(column * int8_vector_bytes(units));
    const uint at = 2 * (from & 3) * plane + (from >> 2);
    loaded_codes[k][0] = load_words4(vector, at);
    loaded_codes[k][1] = load_words4(vector, at + plane);
    loaded_facts[k] = load_floats4(vector, 8 * plane + from);
  }
}

/// Puts what was loaded into shared memory. Units that are not there count nothing.
void store_tile(uint unit, uint units) {
  [[unroll]] for (uint k = 0; k < kWeightLoads; ++k) {
    const uint load = k * kLanes + gl_LocalInvocationIndex;
    if (load >= ROWS * kUnitLoads) break;
    const uint row = load / kUnitLoads;
    const uint first = load % kUnitLoads * kLoadUnits;
    [[unroll]] for (uint index = 0; index < kLoadUnits; ++index) {
      uint codes[8];
      vec4 scale;
      unpack(packed[k], min(unit + first, units - kLoadUnits), index, codes, scale);
      if (kOddShift > 0) {
        [[unroll]] for (uint i = 1; i < 8; i += 2) codes[i] >>= kOddShift;
      }
      if (unit + first + index >= units) scale = vec4(0);
      const uint at = 2 * (first + index) * kRowStride + row;
      weight_codes[at] = uvec4(codes[0], codes[1], codes[2], codes[3]);
      weight_codes[at + kRowStride] = uvec4(codes[4], codes[5], codes[6], codes[7]);
      if (kHalves == 1) unit_scales[(first + index) * ROWS + row] = scale.xz;
      if (kHalves == 2) half_scales[(first + index) * ROWS + row] = scale;
    }
  }
  [[unroll]] for (uint k = 0; k < kVectorLoads; ++k) {
    const uint load = k * kLanes + gl_LocalInvocationIndex;
    if (load >= COLUMNS * UNITS) break;
    const uint column = load / UNITS;
    const uint at = 2 * (load % UNITS) * kColumnStride + column;
    vector_codes[at] = loaded_codes[k][0];
    vector_codes[at + kColumnStride] = loaded_codes[k][1];
    vector_facts[load % UNITS * COLUMNS + column] = unit + load % UNITS < units ? loaded_facts[k] : vec4(0);
  }
}

/// Adds the products of one unit to a lane's sums. Integers become floats as in matvec_int8.comp.
void accumulate(uint unit, uint lane_row, uint lane_column) {
  uvec4 codes[LANE_ROWS][2];
  vec4 scale[LANE_ROWS];
  [[unroll]] for (uint r = 0; r < LANE_ROWS; ++r) {
    const uint row = r * kRowLanes + lane_row;
    codes[r][0] = weight_codes[2 * unit * kRowStride + row];
    codes[r][1] = weight_codes[(2 * unit + 1) * kRowStride + row];
    if (kHalves == 1) scale[r].xz = unit_scales[unit * ROWS + row];
    if (kHalves == 2) scale[r] = half_scales[unit * ROWS + row];
  }
  [[unroll]] for (uint c = 0; c < LANE_COLUMNS; ++c) {
    const uint column = c * kColumnLanes + lane_column;
    const uvec4 first = vector_codes[2 * unit * kColumnStride + column];
    const uvec4 second = vector_codes[(2 * unit + 1) * kColumnStride + column];
    const vec4 facts = vector_facts[unit * COLUMNS + column];
    if (NORMED) squares[c] += facts.w;
    [[unroll]] for (uint r = 0; r < LANE_ROWS; ++r) {
      const int kFloatBits = 0x4B400000;
      ivec2 dots = ivec2(kFloatBits);
      [[unroll]] for (uint i = 0; i < 4; ++i) dots.x += dot_bytes(first[i], codes[r][0][i]);
      if (kHalves == 1) {
        [[unroll]] for (uint i = 0; i < 4; ++i) dots.x += dot_bytes(second[i], codes[r][1][i]);
      } else {
        [[unroll]] for (uint i = 0; i < 4; ++i) dots.y += dot_bytes(second[i], codes[r][1][i]);
      }
      const float kFloat = 12582912.0;
      float sum = scale[r].x * (intBitsToFloat(dots.x) - kFloat);
      if (kHalves == 2) sum = fma(scale[r].y, intBitsToFloat(dots.y) - kFloat, sum);
      sums[r][c] = fma(facts.x, sum, sums[r][c]);
      if (kOffsets && kHalves == 1) sums[r][c] = fma(scale[r].z, facts.y + facts.z, sums[r][c]);
      if (kOffsets && kHalves == 2) sums[r][c] = fma(scale[r].z, facts.y, fma(scale[r].w, facts.z, sums[r][c]));
    }
  }
}

/// The product in row `row` of the tile of the column that `lane_column` put there.
float product_of(uint lane_column, uint row, uint first_row, float factor) {
  float value = 0;
  [[unroll]] for (uint s = 0; s < SLICES; ++s) value += lane_sums[(s * kColumnLanes + lane_column) * ROWS + row];
  value *= factor;
  if (BIAS) value += bias.v[min(first_row + row, rows - 1)];
  return value;
}

/// Stores column `c` of each lane, which lies in shared memory, four outputs a lane.
void store_results(uint c, uint first_row, uint first_column, uint count) {
  const uint kFours = ROWS / kRowsAnOutput / 4;
  const uint outputs = rows / kRowsAnOutput;
  for (uint begin = gl_SubgroupID * SUBGROUP; begin < kColumnLanes * kFours; begin += gl_NumSubgroups * SUBGROUP) {
    const uint item = min(begin + gl_SubgroupInvocationID, kColumnLanes * kFours - 1);
    const uint lane_column = item / kFours;
    const uint four = item % kFours;
    const uint column = c * kColumnLanes + lane_column;
    const uint output_index = first_row / kRowsAnOutput + four * 4;
    const bool wanted = begin + gl_SubgroupInvocationID < kColumnLanes * kFours && first_column + column < count &&
                        output_index < outputs;
    float factor = 1;
    if (NORMED) {
      float sum = 0;
      [[unroll]] for (uint s = 0; s < SLICES; ++s) sum += input_squares[s * COLUMNS + column];
      factor = inversesqrt(sum / float(columns) + epsilon);
    }
    const uint target = (first_column + column) * out_stride + output_index;
    vec4 value;
    [[unroll]] for (uint i = 0; i < 4; ++i) {
      const uint row = (four * 4 + i) * kRowsAnOutput;
      value[i] = product_of(lane_column, row, first_row, factor);
      if (kRowsAnOutput == 2) value[i] = silu(value[i]) * product_of(lane_column, row + 1, first_row, factor);
      if (!wanted || output_index + i >= outputs) continue;
      if (kAdds) value[i] += result.v[target + i];
      if (EPILOGUE != kSwiGluInt8) result.v[target + i] = value[i];
    }
    if (!kMakesVectors) continue;
    const float square = dot(value, value);
    if (EPILOGUE == kAddInt8) value *= norm.v[min(output_index, outputs - 4) / 4];
    store_int8_unit(vectors + uint64_t((first_column + column) * int8_vector_bytes(vector_units)), vector_units,
                    first_unit + output_index / 32, value, EPILOGUE == kAddInt8 ? square : 0, wanted);
  }
}

void main() {
  const uint count = column_count(batch, COUNT);
  const uint first_column = gl_WorkGroupID.x * COLUMNS;
  const uint first_row = gl_WorkGroupID.y * ROWS;
  if (first_column >= count) return;
  const uint lane_row = gl_LocalInvocationIndex % kRowLanes;
  const uint lane_column = gl_LocalInvocationIndex / kRowLanes % kColumnLanes;
  const uint slice = gl_LocalInvocationIndex / (kRowLanes * kColumnLanes);
  const uint units = columns / 32;

  if (AHEAD) load_tile(first_row, first_column, count, 0, units);
  load_tables();
  [[unroll]] for (uint c = 0; c < LANE_COLUMNS; ++c) {
    squares[c] = 0;
    [[unroll]] for (uint r = 0; r < LANE_ROWS; ++r) sums[r][c] = 0;
  }
  [[dont_unroll]] for (uint unit = 0; unit < units; unit += UNITS) {
    if (!AHEAD) load_tile(first_row, first_column, count, unit, units);
    barrier();
    store_tile(unit, units);
    barrier();
    if (AHEAD && unit + UNITS < units) load_tile(first_row, first_column, count, unit + UNITS, units);
    [[dont_unroll]] for (uint u = slice; u < UNITS; u += SLICES) accumulate(u, lane_row, lane_column);
  }

  if (NORMED && lane_row == 0) {
    [[unroll]] for (uint c = 0; c < LANE_COLUMNS; ++c) {
      input_squares[slice * COLUMNS + c * kColumnLanes + lane_column] = squares[c];
    }
  }
  [[dont_unroll]] for (uint round = 0; round < LANE_COLUMNS; ++round) {
    if (round > 0) barrier();
    [[unroll]] for (uint c = 0; c < LANE_COLUMNS; ++c) {
      if (c != round) continue;
      [[unroll]] for (uint r = 0; r < LANE_ROWS; ++r) {
        lane_sums[(slice * kColumnLanes + lane_column) * ROWS + r * kRowLanes + lane_row] = sums[r][c];
      }
    }
    barrier();
    store_results(round, first_row, first_column, count);
  }
}
