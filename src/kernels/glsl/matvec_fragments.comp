#version 460
// As matvec_units.comp, where it is known which lane holds which element of a matrix (kernels/fragments.hpp): lanes
// decode what they hold themselves, so nothing passes through shared memory but sums, and no lane waits for another.
// In a left matrix LANES_A_ROW neighbouring lanes share a row, and a lane has ROWS_A_LANE of them; in a right matrix the
// same lanes share a vector. Which columns the matrices' k are does not matter as long as it is the same in both: a lane
// takes whole units of 32 columns, for 32 / E matrices, in the order in which they come.
#extension GL_EXT_shader_explicit_arithmetic_types_float16 : require
#extension GL_KHR_cooperative_matrix : require
#extension GL_KHR_memory_scope_semantics : require
#include "common.glsl"
#include "epilogue.glsl"
layout(local_size_x_id = 0) in;  // SUBGROUP * ROW_GROUPS * SLICES
layout(constant_id = 1) const uint SUBGROUP = 32;
layout(constant_id = 2) const uint M = 16;  // rows of weights
layout(constant_id = 3) const uint N = 8;   // vectors
layout(constant_id = 4) const uint K = 16;
layout(constant_id = 5) const uint COLS = 8;  // a multiple of N
layout(constant_id = 6) const uint TILES = 2;
layout(constant_id = 7) const uint ROW_GROUPS = 1;  // subgroups with rows of their own
layout(constant_id = 8) const uint SLICES = 8;      // subgroups with the same rows
layout(constant_id = 9) const uint LANES_A_ROW = 4;
layout(constant_id = 10) const uint EPILOGUE = 0;
layout(constant_id = 11) const bool BIAS = false;
layout(constant_id = 12) const uint COUNT = 0;
layout(constant_id = 13) const bool NORMED = false;
layout(constant_id = 14) const uint TERMS = 1;
layout(constant_id = 15) const bool AHEAD = true;  // the next loads are under way while products are made
layout(constant_id = 16) const uint ROWS_A_LANE = 2;
#include "few_vectors.glsl"

const uint ROWS = M * TILES * ROW_GROUPS;
const uint E = K / LANES_A_ROW;  // elements of a row that a lane holds
const uint kMatrices = 32 / E;   // that hold a lane's unit
const uint kColumns = COLS / N;
shared uvec4 pieces[SLICES * COLS * ROWS / 4];
shared float factors[COLS];

Packed next_units[TILES][ROWS_A_LANE];
Packed units_now[TILES][ROWS_A_LANE];
uvec4 next_codes[kColumns][TERMS][2];
uvec4 codes_now[kColumns][TERMS][2];
float next_d[kColumns][TERMS];
float d_now[kColumns][TERMS];

/// Row `r` of the lane's in a tile.
uint lane_row(uint r) { return r * (M / ROWS_A_LANE) + gl_SubgroupInvocationID / LANES_A_ROW % (M / ROWS_A_LANE); }

/// Loads unit `unit` of each of the lane's rows and vectors; in place of what is not there, something that is.
void load_units(uint unit, uint first_row, uint count) {
  const uint units = columns / 32;
  const uint from = min(unit, units - 1);
  [[unroll]] for (uint t = 0; t < TILES; ++t) {
    [[unroll]] for (uint r = 0; r < ROWS_A_LANE; ++r) {
      const uint row = min(first_row + t * M + lane_row(r), rows - 1);
      next_units[t][r] = load_unit(weights + uint64_t(row) * row_bytes, uvec3(plane1, plane2, plane3), from);
    }
  }
  const uint plane = int8_plane_bytes(units) / 16;
  [[unroll]] for (uint n = 0; n < kColumns; ++n) {
    const uint column = min(n * N + gl_SubgroupInvocationID / LANES_A_ROW % N, count - 1);
    [[unroll]] for (uint term = 0; term < TERMS; ++term) {
      const uint64_t vector = x + uint64_t((column * TERMS + term) * int8_vector_bytes(units));
      const uint at = 2 * (from & 3) * plane + (from >> 2);
      next_codes[n][term][0] = load_words4(vector, at);
      next_codes[n][term][1] = load_words4(vector, at + plane);
      next_d[n][term] = Floats(vector + uint64_t(128 * plane + 16 * from)).v[0];
    }
  }
}

void take_units() {
  [[unroll]] for (uint t = 0; t < TILES; ++t) {
    [[unroll]] for (uint r = 0; r < ROWS_A_LANE; ++r) units_now[t][r] = next_units[t][r];
  }
  [[unroll]] for (uint n = 0; n < kColumns; ++n) {
    [[unroll]] for (uint term = 0; term < TERMS; ++term) {
      codes_now[n][term][0] = next_codes[n][term][0];
      codes_now[n][term][1] = next_codes[n][term][1];
      d_now[n][term] = next_d[n][term];
    }
  }
}

/// Two values of word `word` of the lane's unit of a vector: those of bytes 0 and 2, or with `odd` 1 and 3.
f16vec2 vector_pair(uint n, uint word, bool odd) {
  vec2 values = vec2(0);
  [[unroll]] for (uint term = 0; term < TERMS; ++term) {
    const vec4 codes = floats_of(codes_now[n][term][word / 4][word % 4]);
    values = fma(odd ? codes.yw : codes.xz, vec2(kVectorScale * d_now[n][term]), values);
  }
  return f16vec2(clamp(values, -65504, 65504));
}

#include "few_results.glsl"

void main() {
  const uint count = column_count(batch, COUNT);
  if (count == 0) return;
  const uint slice = gl_SubgroupID % SLICES;
  const uint group = gl_SubgroupID / SLICES;
  const uint group_row = gl_WorkGroupID.x * ROWS;
  const uint first_row = group_row + group * M * TILES;
  const uint units = columns / 32;
  const uint step = SLICES * LANES_A_ROW;

  coopmat<float, gl_ScopeSubgroup, M, N, gl_MatrixUseAccumulator> sums[TILES][kColumns];
  [[unroll]] for (uint t = 0; t < TILES; ++t) {
    [[unroll]] for (uint n = 0; n < kColumns; ++n) {
      sums[t][n] = coopmat<float, gl_ScopeSubgroup, M, N, gl_MatrixUseAccumulator>(0.0);
    }
  }
  const uint lane_unit = gl_SubgroupInvocationID % LANES_A_ROW;
  uint first = slice * LANES_A_ROW;
  if (AHEAD) load_units(first + lane_unit, first_row, count);
  load_tables();
  if (NORMED) make_factors(count);
  [[dont_unroll]] for (; first < units; first += step) {
    const uint unit = first + lane_unit;
    if (!AHEAD) load_units(unit, first_row, count);
    take_units();
    if (AHEAD) load_units(unit + step, first_row, count);
    coopmat<float16_t, gl_ScopeSubgroup, K, N, gl_MatrixUseB> b[kMatrices][kColumns];
    [[unroll]] for (uint m = 0; m < kMatrices; ++m) {
      [[unroll]] for (uint n = 0; n < kColumns; ++n) {
        [[unroll]] for (uint i = 0; i < E / 2; ++i) {
          const uint two = m * (E / 2) + i;
          const f16vec2 values = vector_pair(n, two / 2, two % 2 == 1);
          b[m][n][2 * i] = values.x;
          b[m][n][2 * i + 1] = values.y;
        }
      }
    }
    [[unroll]] for (uint t = 0; t < TILES; ++t) {
      uvec4 halves[ROWS_A_LANE][4];
      [[unroll]] for (uint r = 0; r < ROWS_A_LANE; ++r) {
        expand_unit(units_now[t][r], min(unit, units - 1), halves[r]);
        // Beyond the last column there is nothing to add.
        [[unroll]] for (uint j = 0; j < 4; ++j) {
          if (unit >= units) halves[r][j] = uvec4(0);
        }
      }
      [[unroll]] for (uint m = 0; m < kMatrices; ++m) {
        coopmat<float16_t, gl_ScopeSubgroup, M, K, gl_MatrixUseA> a;
        [[unroll]] for (uint i = 0; i < E / 2; ++i) {
          const uint two = m * (E / 2) + i;
          [[unroll]] for (uint r = 0; r < ROWS_A_LANE; ++r) {
            const f16vec2 values = unpackFloat2x16(halves[r][two / 4][two % 4]);
            a[2 * (r + ROWS_A_LANE * i)] = values.x;
            a[2 * (r + ROWS_A_LANE * i) + 1] = values.y;
          }
        }
        [[unroll]] for (uint n = 0; n < kColumns; ++n) sums[t][n] = coopMatMulAdd(a, b[m][n], sums[t][n]);
      }
    }
  }
  [[unroll]] for (uint t = 0; t < TILES; ++t) {
    [[unroll]] for (uint n = 0; n < kColumns; ++n) {
      coopMatStore(sums[t][n], pieces, ((slice * COLS + n * N) * ROWS + (group * TILES + t) * M) / 4, ROWS / 4,
                   gl_CooperativeMatrixLayoutColumnMajor);
    }
  }
  barrier();
  store_results(group_row, count);
}
