#version 460
// Matrix times some 2 to 32 int8 vectors on matrix units in one read of the weights, inputs rounded to f16, sums in f32:
// out[c][r] = sum over k of weights[r][k] x[c][k] (+ bias[r]).
// A subgroup computes TILES tiles of M rows x COLS vectors, over every SLICES-th chunk of 32 UNITS columns. It decodes
// weights and vectors to f16 in shared memory of its own, as left and right matrices, so subgroups do not wait for each
// other until their sums are added up in the end.
// weights (rows, columns) in FORMAT, in blocks and resident; x (COLS, columns) int8 vectors (int8_vector.glsl), with
// NORMED such as are to be normalised; with TERMS = 2 each x[c] is the sum of two; bias (rows) f32; out (c, out_stride)
// f32 and, as EPILOGUE asks, int8 vectors (c, 32 * vector_units).
// Groups: (rows / ROWS). Where int8 vectors are made, ROWS makes whole units.
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
layout(constant_id = 9) const uint UNITS = 2;
layout(constant_id = 10) const uint EPILOGUE = 0;
layout(constant_id = 11) const bool BIAS = false;
layout(constant_id = 12) const uint COUNT = 0;
layout(constant_id = 13) const bool NORMED = false;
layout(constant_id = 14) const uint TERMS = 1;
layout(constant_id = 15) const bool AHEAD = true;  // the next loads are under way while products are made

#include "few_vectors.glsl"

const uint ROWS = M * TILES * ROW_GROUPS;
// A row of a chunk in 16-byte pieces, and one more: rows then begin in different banks. A subgroup's place holds the
// vectors of a chunk, then one tile of weights after the other.
const uint STRIDE = 4 * UNITS + 1;
const uint PLACE = (M > COLS ? M : COLS) * STRIDE;
const uint kSumPieces = SLICES * COLS * ROWS / 4;
const uint kPlaces = ROW_GROUPS * SLICES * PLACE;
// Later all sums: (SLICES, COLS, ROWS) f32.
shared uvec4 pieces[kPlaces > kSumPieces ? kPlaces : kSumPieces];
shared float factors[COLS];  // that normalise

// What a lane loads of a chunk: units of weights of each tile, and halves of units of vectors.
const uint kTileUnits = M * UNITS;
const uint kUnitLoads = (kTileUnits + SUBGROUP - 1) / SUBGROUP;
const uint kHalfUnits = COLS * UNITS * 2;
const uint kVectorLoads = (kHalfUnits + SUBGROUP - 1) / SUBGROUP;
Packed next_units[TILES][kUnitLoads];
Packed units_now[TILES][kUnitLoads];
uvec4 next_codes[kVectorLoads][TERMS];
uvec4 codes_now[kVectorLoads][TERMS];
float next_d[kVectorLoads][TERMS];
float d_now[kVectorLoads][TERMS];

/// Loads the chunk of columns from unit `unit` on; in place of what is not there, something that is.
void load_chunk(uint unit, uint first_row, uint count) {
  const uint units = columns / 32;
  [[unroll]] for (uint i = 0; i < kUnitLoads; ++i) {
    const uint at = min(i * SUBGROUP + gl_SubgroupInvocationID, kTileUnits - 1);
    [[unroll]] for (uint t = 0; t < TILES; ++t) {
      const uint row = min(first_row + t * M + at / UNITS, rows - 1);
      next_units[t][i] = load_unit(weights + uint64_t(row) * row_bytes, uvec3(plane1, plane2, plane3),
                                   min(unit + at % UNITS, units - 1));
    }
  }
  const uint plane = int8_plane_bytes(units) / 16;
  [[unroll]] for (uint i = 0; i < kVectorLoads; ++i) {
    const uint at = min(i * SUBGROUP + gl_SubgroupInvocationID, kHalfUnits - 1);
    const uint from = min(unit + at % (2 * UNITS) / 2, units - 1);
    [[unroll]] for (uint term = 0; term < TERMS; ++term) {
      const uint column = min(at / (2 * UNITS), count - 1) * TERMS + term;
      const uint64_t vector = x + uint64_t(column * int8_vector_bytes(units));
      next_codes[i][term] = load_words4(vector, (2 * (from & 3) + at % 2) * plane + (from >> 2));
      next_d[i][term] = Floats(vector + uint64_t(128 * plane + 16 * from)).v[0];
    }
  }
}

void take_chunk() {
  [[unroll]] for (uint i = 0; i < kUnitLoads; ++i) {
    [[unroll]] for (uint t = 0; t < TILES; ++t) units_now[t][i] = next_units[t][i];
  }
  [[unroll]] for (uint i = 0; i < kVectorLoads; ++i) {
    [[unroll]] for (uint term = 0; term < TERMS; ++term) {
      codes_now[i][term] = next_codes[i][term];
      d_now[i][term] = next_d[i][term];
    }
  }
}

/// Puts the vectors of the chunk to `place`.
void store_vectors(uint place) {
  [[unroll]] for (uint i = 0; i < kVectorLoads; ++i) {
    const uint at = i * SUBGROUP + gl_SubgroupInvocationID;
    uvec4 halves[2];
    [[unroll]] for (uint w = 0; w < 4; ++w) {
      vec4 values = vec4(0);
      [[unroll]] for (uint term = 0; term < TERMS; ++term) {
        values = fma(floats_of(codes_now[i][term][w]), vec4(kVectorScale * d_now[i][term]), values);
      }
      halves[w / 2][2 * (w % 2)] = pack_halves(values.xz);
      halves[w / 2][2 * (w % 2) + 1] = pack_halves(values.yw);
    }
    if (kHalfUnits % SUBGROUP != 0 && at >= kHalfUnits) continue;
    const uint to = place + at / (2 * UNITS) * STRIDE + 2 * (at % (2 * UNITS));
    pieces[to] = halves[0];
    pieces[to + 1] = halves[1];
  }
}

/// Puts tile `t` of the chunk's weights to `place`; zeros beyond the last column.
void store_tile(uint t, uint unit, uint place) {
  const uint units = columns / 32;
  [[unroll]] for (uint i = 0; i < kUnitLoads; ++i) {
    const uint at = i * SUBGROUP + gl_SubgroupInvocationID;
    const uint own = unit + at % UNITS;
    uvec4 halves[4];
    expand_unit(units_now[t][i], min(own, units - 1), halves);
    if (kTileUnits % SUBGROUP != 0 && at >= kTileUnits) continue;
    const uint to = place + at / UNITS * STRIDE + 4 * (at % UNITS);
    [[unroll]] for (uint j = 0; j < 4; ++j) pieces[to + j] = own < units ? halves[j] : uvec4(0);
  }
}

#include "few_results.glsl"

void main() {
  const uint count = column_count(batch, COUNT);
  if (count == 0) return;
  const uint slice = gl_SubgroupID % SLICES;
  const uint group = gl_SubgroupID / SLICES;
  const uint group_row = gl_WorkGroupID.x * ROWS;
  const uint first_row = group_row + group * M * TILES;
  const uint place = gl_SubgroupID * PLACE;
  const uint step = SLICES * UNITS;
  // All subgroups make as many turns: software devices take a subgroup's barrier for one of all.
  const uint turns = (columns / 32 + step - 1) / step;

  coopmat<float, gl_ScopeSubgroup, M, N, gl_MatrixUseAccumulator> sums[TILES][COLS / N];
  [[unroll]] for (uint t = 0; t < TILES; ++t) {
    [[unroll]] for (uint n = 0; n < COLS / N; ++n) {
      sums[t][n] = coopmat<float, gl_ScopeSubgroup, M, N, gl_MatrixUseAccumulator>(0.0);
    }
  }
  uint unit = slice * UNITS;
  if (AHEAD) load_chunk(unit, first_row, count);
  load_tables();
  if (NORMED) make_factors(count);
  [[dont_unroll]] for (uint turn = 0; turn < turns; ++turn) {
    if (!AHEAD) load_chunk(unit, first_row, count);
    take_chunk();
    if (AHEAD) load_chunk(unit + step, first_row, count);
    store_vectors(place);
    subgroupBarrier();
    coopmat<float16_t, gl_ScopeSubgroup, K, N, gl_MatrixUseB> b[32 * UNITS / K][COLS / N];
    [[unroll]] for (uint k = 0; k < 32 * UNITS / K; ++k) {
      [[unroll]] for (uint n = 0; n < COLS / N; ++n) {
        coopMatLoad(b[k][n], pieces, place + n * N * STRIDE + k * K / 8, STRIDE,
                    gl_CooperativeMatrixLayoutColumnMajor);
      }
    }
    [[unroll]] for (uint t = 0; t < TILES; ++t) {
      subgroupBarrier();
      store_tile(t, unit, place);
      subgroupBarrier();
      [[unroll]] for (uint k = 0; k < 32 * UNITS / K; ++k) {
        coopmat<float16_t, gl_ScopeSubgroup, M, K, gl_MatrixUseA> a;
        coopMatLoad(a, pieces, place + k * K / 8, STRIDE, gl_CooperativeMatrixLayoutRowMajor);
        [[unroll]] for (uint n = 0; n < COLS / N; ++n) sums[t][n] = coopMatMulAdd(a, b[k][n], sums[t][n]);
      }
    }
    subgroupBarrier();
    unit += step;
  }
  barrier();
  [[unroll]] for (uint t = 0; t < TILES; ++t) {
    [[unroll]] for (uint n = 0; n < COLS / N; ++n) {
      coopMatStore(sums[t][n], pieces, ((slice * COLS + n * N) * ROWS + (group * TILES + t) * M) / 4, ROWS / 4,
                   gl_CooperativeMatrixLayoutColumnMajor);
    }
  }
  barrier();
  store_results(group_row, count);
}
