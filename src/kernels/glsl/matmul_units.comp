#version 460
// Matrix times many vectors on matrix units: out[c][r] = sum over k of weights[r][k] x[c][k] (+ bias[r]), inputs
// rounded to f16, or with BF16_INPUTS, which is for weights that are bf16, to bf16; sums in f32.
// A workgroup computes TOKENS x ROWS results, each of its subgroups a tile of TILE_TOKENS x TILE_ROWS, as products of
// matrices x (M, K) and weights transposed (K, N) that lie in shared memory as such. STEP columns at a time: while those
// of one step are multiplied the loads of the next are under way, and with BUFFERS = 2 they have a place of their own.
// weights (rows, columns) in FORMAT; x (c, columns) f32 or f16, made inputs or held as x * x_scale; bias (rows) f32;
// out (c, out_stride) f32, or f16 as out * out_scale.
// Groups: (vectors / TOKENS, rows / ROWS, parts): those side by side read the same weights. With SPLIT the columns are
// cut into parts, so that few vectors and rows fill a device too: each part's sums go to part_sums (parts, most_tokens,
// rows of all results) f32, and the workgroup that is the last to finish a tile, which a counter tells, adds them up,
// always in the same order.
#extension GL_EXT_shader_explicit_arithmetic_types_float16 : require
#extension GL_KHR_cooperative_matrix : require
#extension GL_KHR_memory_scope_semantics : require
#ifdef BF16_INPUTS
#extension GL_EXT_bfloat16 : require
#define INPUT bfloat16_t
#else
#define INPUT float16_t
#endif
#include "common.glsl"
#include "epilogue.glsl"
layout(local_size_x_id = 0) in;
layout(constant_id = 1) const uint SUBGROUP = 32;
layout(constant_id = 2) const uint EPILOGUE = 0;
layout(constant_id = 3) const bool BIAS = false;
layout(constant_id = 4) const uint COUNT = 0;
layout(constant_id = 5) const bool HALF_IN = false;
layout(constant_id = 6) const bool HALF_OUT = false;
layout(constant_id = 7) const bool ALIGNED = false;  // results of four rows lie at a multiple of their size
layout(constant_id = 8) const uint M = 16;
layout(constant_id = 9) const uint N = 16;
layout(constant_id = 10) const uint K = 16;
layout(constant_id = 11) const uint TOKENS = 128;
layout(constant_id = 12) const uint ROWS = 128;
layout(constant_id = 13) const uint STEP = 32;
layout(constant_id = 14) const uint TILE_TOKENS = 64;
layout(constant_id = 15) const uint TILE_ROWS = 64;
layout(constant_id = 16) const uint BUFFERS = 2;
layout(constant_id = 17) const bool WHOLE = true;  // columns are a whole number of steps
layout(constant_id = 18) const bool SPLIT = false;

layout(buffer_reference, std430, buffer_reference_align = 16) coherent buffer Partials { vec4 v[]; };

layout(push_constant) uniform Constants {
  uint64_t weights;
  uint64_t x;
  uint64_t result;
  Floats bias;
  Batch batch;
  uint64_t grid;  // for formats of grids: the table of entries
  Partials part_sums;        // from the first row on
  WriteWords part_counters;  // of 16 rows and 16 vectors each, zero before and after
  uint columns;
  uint rows;
  uint row_bytes;
  uint plane1, plane2, plane3;
  uint out_stride;
  float x_scale;
  float sum_scale;  // 1 / x_scale
  float out_scale;
  uint most_tokens;  // that there is room for in part_sums
};
#include "half_units.glsl"

const uint SUBGROUPS = (TOKENS / TILE_TOKENS) * (ROWS / TILE_ROWS);
const uint THREADS = SUBGROUPS * SUBGROUP;
// A row of a tile in 16-byte pieces, and one more: rows then begin in different banks.
const uint STRIDE = STEP / 8 + 1;
const uint BUFFER = (TOKENS + ROWS) * STRIDE;
// Results go through the same memory, M tokens of a subgroup's tile at a time.
const uint OUT_STRIDE = TILE_ROWS / 4 + 1;
const uint OUT_PIECES = SUBGROUPS * M * OUT_STRIDE;
const uint PIECES = BUFFERS * BUFFER > OUT_PIECES ? BUFFERS * BUFFER : OUT_PIECES;
// Of x: (TOKENS, STRIDE) pieces of eight inputs, and behind it of the weights: (ROWS, STRIDE).
shared uvec4 tiles[PIECES];

// What a lane loads of x, in pieces of eight values, and of the weights, in units of 32.
const uint X_PIECES = TOKENS * STEP / 8;
const uint X_LOADS = (X_PIECES + THREADS - 1) / THREADS;
const uint UNITS = ROWS * STEP / 32;
const uint UNIT_LOADS = (UNITS + THREADS - 1) / THREADS;
uvec4 next_x[X_LOADS][HALF_IN ? 1 : 2];
Loaded next_units[UNIT_LOADS];

coopmat<float, gl_ScopeSubgroup, M, N, gl_MatrixUseAccumulator> sums[TILE_TOKENS / M][TILE_ROWS / N];

// Where a lane loads from, in bytes behind the first token's and the first row's: of 32 bits, so that a load takes
// one register beside what the whole workgroup knows.
uint x_offset[X_LOADS];
uint unit_offset[UNIT_LOADS];
const uint X_BYTES = HALF_IN ? 2 : 4;

void find_loads(uint first_token, uint count, uint first_row) {
  [[unroll]] for (uint i = 0; i < X_LOADS; ++i) {
    const uint at = min(gl_LocalInvocationIndex + i * THREADS, X_PIECES - 1);
    x_offset[i] = min(at / (STEP / 8), count - 1 - first_token) * (columns * X_BYTES) + at % (STEP / 8) * (8 * X_BYTES);
  }
  [[unroll]] for (uint i = 0; i < UNIT_LOADS; ++i) {
    const uint at = min(gl_LocalInvocationIndex + i * THREADS, UNITS - 1);
    unit_offset[i] = min(at / (STEP / 32), rows - 1 - first_row) * row_bytes;
  }
}

/// Loads columns `first` to `first + STEP - 1`; in place of what is not there, something that is.
void load_step(uint first, uint64_t x_tile, uint64_t weight_tile) {
  [[unroll]] for (uint i = 0; i < UNIT_LOADS; ++i) {
    const uint at = min(gl_LocalInvocationIndex + i * THREADS, UNITS - 1);
    uint unit = first / 32 + at % (STEP / 32);
    if (!WHOLE) unit = min(unit, columns / 32 - 1);
    next_units[i] = load_unit(weight_tile + unit_offset[i], uvec3(plane1, plane2, plane3), unit);
  }
  [[unroll]] for (uint i = 0; i < X_LOADS; ++i) {
    const uint at = min(gl_LocalInvocationIndex + i * THREADS, X_PIECES - 1);
    uint ahead = first;
    if (!WHOLE) ahead = min(first, columns - 8 - at % (STEP / 8) * 8);
    const uint offset = x_offset[i] + ahead * X_BYTES;
    next_x[i][0] = load_words4(x_tile + uint64_t(offset), 0);
    if (!HALF_IN) next_x[i][HALF_IN ? 0 : 1] = load_words4(x_tile + uint64_t(offset), 1);
  }
}

#ifdef BF16_INPUTS
/// To the nearest bf16, ties to even: conversions of the language may cut the bits off instead, and NVIDIA's do.
uint pack_inputs(vec2 values) {
  uvec2 bits = floatBitsToUint(values);
  bits += 0x7FFFu + (bits >> 16 & 1u);
  return bits.x >> 16 | (bits.y & 0xFFFF0000u);
}

uvec4 inputs_of_halves(uvec4 halves) {
  [[unroll]] for (uint i = 0; i < 4; ++i) halves[i] = pack_inputs(unpackHalf2x16(halves[i]));
  return halves;
}
uvec2 inputs_of_floats(uvec4 floats) {
  const vec4 scaled = uintBitsToFloat(floats) * x_scale;
  return uvec2(pack_inputs(scaled.xy), pack_inputs(scaled.zw));
}
#else
uvec4 inputs_of_halves(uvec4 halves) { return halves; }
uvec2 inputs_of_floats(uvec4 floats) { return pack_halves(uintBitsToFloat(floats) * x_scale); }
#endif

/// Puts what was loaded of columns `first` on into `base`; zeros beyond the last column.
void store_step(uint first, uint base) {
  [[unroll]] for (uint i = 0; i < X_LOADS; ++i) {
    const uint at = gl_LocalInvocationIndex + i * THREADS;
    const uint piece = at % (STEP / 8);
    uvec4 inputs;
    if (HALF_IN) {
      inputs = inputs_of_halves(next_x[i][0]);
    } else {
      inputs = uvec4(inputs_of_floats(next_x[i][0]), inputs_of_floats(next_x[i][HALF_IN ? 0 : 1]));
    }
    if (!WHOLE && first + 8 * piece >= columns) inputs = uvec4(0);
    if (X_PIECES % THREADS == 0 || at < X_PIECES) tiles[base + at / (STEP / 8) * STRIDE + piece] = inputs;
  }
  [[unroll]] for (uint i = 0; i < UNIT_LOADS; ++i) {
    const uint at = gl_LocalInvocationIndex + i * THREADS;
    if (UNITS % THREADS != 0 && at >= UNITS) continue;
    const uint unit = at % (STEP / 32);
    uvec4 inputs[4];
    expand_unit(next_units[i], first / 32 + unit, inputs);
    const uint to = base + (TOKENS + at / (STEP / 32)) * STRIDE + 4 * unit;
    [[unroll]] for (uint j = 0; j < 4; ++j) {
      tiles[to + j] = !WHOLE && first + 32 * unit >= columns ? uvec4(0) : inputs[j];
    }
  }
}

/// Adds the products of the step at `base` to the subgroup's tile.
void multiply_step(uint base, uint tile_token, uint tile_row) {
  [[unroll]] for (uint k = 0; k < STEP; k += K) {
    coopmat<INPUT, gl_ScopeSubgroup, M, K, gl_MatrixUseA> a[TILE_TOKENS / M];
    [[unroll]] for (uint i = 0; i < TILE_TOKENS / M; ++i) {
      const uint from = base + (tile_token + i * M) * STRIDE + k / 8;
      coopMatLoad(a[i], tiles, from, STRIDE, gl_CooperativeMatrixLayoutRowMajor);
    }
    [[unroll]] for (uint j = 0; j < TILE_ROWS / N; ++j) {
      coopmat<INPUT, gl_ScopeSubgroup, K, N, gl_MatrixUseB> b;
      const uint from = base + (TOKENS + tile_row + j * N) * STRIDE + k / 8;
      coopMatLoad(b, tiles, from, STRIDE, gl_CooperativeMatrixLayoutColumnMajor);
      [[unroll]] for (uint i = 0; i < TILE_TOKENS / M; ++i) sums[i][j] = coopMatMulAdd(a[i], b, sums[i][j]);
    }
  }
}

/// Stores `stored` values, up to 4, that lie side by side.
void store_floats(uint64_t to, vec4 values, uint stored) {
  if (ALIGNED && stored == 4) {
    WriteFloats4(to).v[0] = values;
  } else {
    [[unroll]] for (uint i = 0; i < 4; ++i) {
      if (i < stored) WriteFloats(to).v[i] = values[i];
    }
  }
}

/// Adds `stored` values to what is there.
void add_floats(uint64_t to, vec4 values, uint stored) {
  if (ALIGNED && stored == 4) {
    WriteFloats4(to).v[0] += values;
  } else {
    [[unroll]] for (uint i = 0; i < 4; ++i) {
      if (i < stored) WriteFloats(to).v[i] += values[i];
    }
  }
}

/// Makes the results of four rows for one token, or of as many as there are.
void store_results(vec4 values, uint token, uint row) {
  const uint some = min(rows - row, 4);
  if (BIAS) {
    [[unroll]] for (uint i = 0; i < 4; ++i) values[i] += bias.v[min(row + i, rows - 1)];
  }
  if (EPILOGUE == kSwiGlu) {
    const vec2 products = vec2(silu(values.x) * values.y, silu(values.z) * values.w);
    const uint to = token * out_stride + row / 2;
    if (HALF_OUT) {
      WriteWords(result + 2 * uint64_t(to)).v[0] = pack_halves(products * out_scale);
    } else if (ALIGNED && some == 4) {
      WriteWords2(result + 4 * uint64_t(to)).v[0] = floatBitsToUint(products);
    } else {
      WriteFloats(result + 4 * uint64_t(to)).v[0] = products.x;
      if (some == 4) WriteFloats(result + 4 * uint64_t(to)).v[1] = products.y;
    }
  } else if (EPILOGUE == kAdd) {
    add_floats(result + 4 * uint64_t(token * out_stride + row), values, some);
  } else {
    store_floats(result + 4 * uint64_t(token * out_stride + row), values, some);
  }
}

/// Where a part's sums of four rows lie.
uint part_place(uint part, uint token, uint row) {
  const uint all_rows = EPILOGUE == kSwiGlu ? 2 * out_stride : out_stride;
  return ((part * most_tokens + token) * all_rows + row) / 4;
}

/// Makes results of M tokens of the subgroup's tile, whose sums lie at `place`.
void store_sums(uint place, uint first_token, uint count, uint first_row) {
  const uint kFours = TILE_ROWS / 4;
  // Unrolled, because else drivers would not unroll the loop around it, and then index sums, which are registers.
  [[unroll]] for (uint first = 0; first < M * kFours; first += SUBGROUP) {
    const uint at = first + gl_SubgroupInvocationID;
    const uint token = first_token + at / kFours;
    const uint row = first_row + at % kFours * 4;
    if (token < count && row < rows && at < M * kFours) {
      const vec4 sum = uintBitsToFloat(tiles[place + at / kFours * OUT_STRIDE + at % kFours]);
      if (SPLIT) {
        part_sums.v[part_place(gl_WorkGroupID.z, token, row)] = sum;
      } else {
        store_results(sum * sum_scale, token, row);
      }
    }
  }
}

shared uint finished;

/// Makes the workgroup's results of all parts' sums, where all are there.
void merge_parts(uint first_token, uint count, uint first_row) {
  memoryBarrierBuffer();
  barrier();
  const uint counter = first_row / 16 * ((most_tokens + 15) / 16) + gl_WorkGroupID.x;
  if (gl_LocalInvocationIndex == 0) finished = atomicAdd(part_counters.v[counter], 1) + 1;
  barrier();
  if (finished != gl_NumWorkGroups.z) return;
  memoryBarrierBuffer();
  if (gl_LocalInvocationIndex == 0) part_counters.v[counter] = 0;
  for (uint at = gl_LocalInvocationIndex; at < TOKENS * ROWS / 4; at += THREADS) {
    const uint token = first_token + at / (ROWS / 4);
    const uint row = first_row + at % (ROWS / 4) * 4;
    if (token >= count || row >= rows) continue;
    vec4 sum = vec4(0);
    for (uint part = 0; part < gl_NumWorkGroups.z; ++part) sum += part_sums.v[part_place(part, token, row)];
    store_results(sum * sum_scale, token, row);
  }
}

void main() {
  const uint count = column_count(batch, COUNT);
  const uint first_token = gl_WorkGroupID.x * TOKENS;
  const uint first_row = gl_WorkGroupID.y * ROWS;
  if (first_token >= count) return;
  const uint tile_token = gl_SubgroupID / (ROWS / TILE_ROWS) * TILE_TOKENS;
  const uint tile_row = gl_SubgroupID % (ROWS / TILE_ROWS) * TILE_ROWS;
  [[unroll]] for (uint i = 0; i < TILE_TOKENS / M; ++i) {
    [[unroll]] for (uint j = 0; j < TILE_ROWS / N; ++j) {
      sums[i][j] = coopmat<float, gl_ScopeSubgroup, M, N, gl_MatrixUseAccumulator>(0.0);
    }
  }

  const uint64_t x_tile = x + uint64_t(first_token) * (columns * X_BYTES);
  const uint64_t weight_tile = weights + uint64_t(first_row) * row_bytes;
  find_loads(first_token, count, first_row);
  uint begin = 0;
  uint end = columns;
  if (SPLIT) {
    const uint steps = (columns + STEP - 1) / STEP;
    const uint share = (steps + gl_NumWorkGroups.z - 1) / gl_NumWorkGroups.z * STEP;
    begin = gl_WorkGroupID.z * share;
    end = min(begin + share, columns);
  }
  load_step(begin, x_tile, weight_tile);
  load_tables();
  store_step(begin, 0);
  barrier();
  uint base = 0;
  [[dont_unroll]] for (uint first = begin; first < end; first += STEP) {
    // The last step is loaded once more: a branch would part what is to overlap.
    const uint next = first + STEP < end ? first + STEP : first;
    load_step(next, x_tile, weight_tile);
    multiply_step(base, tile_token, tile_row);
    if (BUFFERS == 1) {
      barrier();
    } else {
      base = BUFFER - base;
    }
    store_step(next, base);
    barrier();
  }

  const uint place = gl_SubgroupID * M * OUT_STRIDE;
  [[unroll]] for (uint i = 0; i < TILE_TOKENS / M; ++i) {
    [[unroll]] for (uint j = 0; j < TILE_ROWS / N; ++j) {
      coopMatStore(sums[i][j], tiles, place + j * N / 4, OUT_STRIDE, gl_CooperativeMatrixLayoutRowMajor);
    }
    subgroupBarrier();
    store_sums(place, first_token + tile_token + i * M, count, first_row + tile_row);
    subgroupBarrier();
  }
  if (SPLIT) merge_parts(first_token, count, first_row);
}
