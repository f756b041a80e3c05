#version 460
// Attention of a prompt's queries over the KV pages of their sequence on matrix units, causal, with an online softmax
// (https://arxiv.org/abs/2307.08691), so that no score ever goes to memory. See attention_rows.glsl for what lies where.
//
// A subgroup owns ROW_TILES * M rows; the workgroup's subgroups share tiles of KEYS keys and values, which lie in shared
// memory as f16. Scores are matrices queries (M, K) times keys (K, N) in f32, with log2(e) in the queries; weights are
// exp2(score - reference) elementwise in registers, and as f16 left matrices again: where lanes hold both alike they
// stay where they are, else they go through shared memory. Sums of values (M, N) and weights are f32.
//
// With AHEAD, the next tile's scores are made between the barriers that a tile's values are summed between: products
// go on while weights are made, and there is one barrier a tile, for two places of a tile in shared memory and another
// tile of scores in registers. Without, a tile's values are on their way while its scores are made, and the next keys
// while its values are summed.
//
// Which lane holds which element is not known. So what belongs to a row is held as a matrix of equal columns. A
// reference is near the greatest score of its row so far, not equal to it: it rises when a weight would leave the range
// of f16, which is seldom after the first tile, and only then do scores go through shared memory.
//
// Matrices stay in registers only where every index into their arrays is known once loops are unrolled, and drivers do
// not unroll a loop around one that stays, nor one with a `continue`: with its scores in local memory the kernel took
// seven times as long on an H200.
#extension GL_EXT_shader_explicit_arithmetic_types_float16 : require
#extension GL_KHR_cooperative_matrix : require
#extension GL_KHR_memory_scope_semantics : require
#include "common.glsl"
#include "attention_rows.glsl"
#include "kv_halves.glsl"
layout(constant_id = 9) const uint M = 16;
layout(constant_id = 10) const uint N = 16;
layout(constant_id = 11) const uint K = 16;
layout(constant_id = 12) const uint SUBGROUPS = 4;
layout(constant_id = 13) const uint ROW_TILES = 1;
layout(constant_id = 14) const uint KEYS = 32;            // a multiple of N and K that divides a page
layout(constant_id = 15) const bool HOLD_QUERIES = true;  // in registers; else in shared memory
layout(constant_id = 16) const bool TURN_VALUES = false;  // so that neighbouring keys lie together
layout(constant_id = 17) const bool IN_PLACE = false;     // lanes hold sums (M, N) and left matrices alike; N == K
layout(constant_id = 18) const bool AHEAD = false;

const uint THREADS = SUBGROUPS * SUBGROUP;
const uint SUBGROUP_ROWS = ROW_TILES * M;
const uint ROWS = SUBGROUPS * SUBGROUP_ROWS;
// Strides are in 16 bytes. Each is odd, so that rows that are read together begin in different banks.
const uint ROW_STRIDE = PIECES + 1;
const uint VALUE_STRIDE = TURN_VALUES ? KEYS / 8 + 1 : ROW_STRIDE;
const uint WEIGHT_STRIDE = KEYS / 8 + 1;
const uint FLOAT_STRIDE = N / 4 + 1;   // of a matrix of sums
const uint SLICE_STRIDE = K / 8 + 1;   // of a matrix of queries
const uint WEIGHT_PLACE = IN_PLACE ? 0 : SUBGROUP_ROWS * WEIGHT_STRIDE;
const uint MATRIX_PLACE = M * (FLOAT_STRIDE > SLICE_STRIDE ? FLOAT_STRIDE : SLICE_STRIDE);
const uint PLACE = WEIGHT_PLACE > MATRIX_PLACE ? WEIGHT_PLACE : MATRIX_PLACE;  // of a subgroup
const uint KEY_TILE = KEYS * ROW_STRIDE;
const uint VALUE_TILE = (TURN_VALUES ? HEAD : KEYS) * VALUE_STRIDE;
const uint BUFFERS = AHEAD ? 2 : 1;
const uint ROWS_EACH = (M + SUBGROUP - 1) / SUBGROUP;  // rows of a matrix that a lane sees to

const float kLog2e = 1.4426950408889634;
const float kMasked = -1e30;
const float kUnknown = -1e28;  // above kMasked, below any score
const float kUnset = 1e-30;    // in place of minus the reference of a row that has seen no key; no other is equal to it
// The greatest weight is 2^6 when its reference is set and may become 2^13: what is 2^-30 of it is still a number.
const float kBelow = 6;
const float kMost = 13;
const float kLargestHalf = 65504;

shared uvec4 key_tile[BUFFERS * KEY_TILE];
shared uvec4 value_tile[BUFFERS * VALUE_TILE];
shared uvec4 query_tile[HOLD_QUERIES ? 1 : ROWS * ROW_STRIDE];
shared uvec4 places[SUBGROUPS * PLACE];  // of each subgroup: weights, or a matrix on its way
shared float row_positions[ROWS];        // less that of the block's first row
shared float column_numbers[N];

#define LEFT coopmat<float16_t, gl_ScopeSubgroup, M, K, gl_MatrixUseA>
#define RIGHT coopmat<float16_t, gl_ScopeSubgroup, K, N, gl_MatrixUseB>
#define SUMS coopmat<float, gl_ScopeSubgroup, M, N, gl_MatrixUseAccumulator>
LEFT query[HOLD_QUERIES ? ROW_TILES : 1][HOLD_QUERIES ? HEAD / K : 1];
SUMS score[ROW_TILES][KEYS / N];       // of this tile, later its weights
SUMS next_score[ROW_TILES][KEYS / N];  // of the tile that products are made of
SUMS sum[ROW_TILES][HEAD / N];
SUMS start[ROW_TILES];   // minus references: equal columns
SUMS weight[ROW_TILES];  // sums over every N-th key
bool settled = false;    // every row of the subgroup has a reference
uint key_base = 0;       // of the tile that products are made of; with AHEAD, the other one is stored to
uint value_base = 0;

// What a lane has on its way of a tile of keys and a tile of values, in pieces. Values that are turned come as pieces of
// two neighbouring keys.
const uint LOADS = (KEYS * PIECES + THREADS - 1) / THREADS;
const uint PAIRS = (KEYS / 2 * PIECES + THREADS - 1) / THREADS;
uvec4 next_keys[LOADS];
uvec4 next_values[TURN_VALUES ? 2 * PAIRS : LOADS];

uint lane() { return gl_SubgroupInvocationID; }
uint place() { return gl_SubgroupID * PLACE; }

/// Where a piece lies in a tile: x the key (the first of two, if `pairs`), y the piece of its row.
uvec2 tile_place(uint number, bool pairs) {
  return pairs ? uvec2(number % (KEYS / 2) * 2, number / (KEYS / 2)) : uvec2(number / PIECES, number % PIECES);
}

void load_keys(uint64_t rows, uint first_row) {
  [[unroll]] for (uint i = 0; i < LOADS; ++i) {
    const uvec2 at = tile_place(min(gl_LocalInvocationIndex + i * THREADS, KEYS * PIECES - 1), false);
    next_keys[i] = load_kv(K_FORMAT, kv_place(K_FORMAT, rows, first_row + at.x, at.y), 0);
  }
}

void load_values(uint64_t rows, uint first_row) {
  if (TURN_VALUES) {
    [[unroll]] for (uint i = 0; i < PAIRS; ++i) {
      const uvec2 at = tile_place(min(gl_LocalInvocationIndex + i * THREADS, KEYS / 2 * PIECES - 1), true);
      const KvPlace from = kv_place(V_FORMAT, rows, first_row + at.x, at.y);
      next_values[2 * i] = load_kv(V_FORMAT, from, 0);
      next_values[2 * i + 1] = load_kv(V_FORMAT, from, 1);
    }
  } else {
    [[unroll]] for (uint i = 0; i < LOADS; ++i) {
      const uvec2 at = tile_place(min(gl_LocalInvocationIndex + i * THREADS, KEYS * PIECES - 1), false);
      next_values[i] = load_kv(V_FORMAT, kv_place(V_FORMAT, rows, first_row + at.x, at.y), 0);
    }
  }
}

/// A piece of a row as f16. Rows not written yet may hold anything, NaN too, which no weight of zero would silence.
uvec4 halves(uint format, uvec4 raw, uint row, uint piece, bool written) {
  const uvec4 words = kv_halves(format, raw, kv_scale_index(row, piece));
  return written ? words : uvec4(0);
}

/// Puts a piece of a row into the tile whose row begins at `row`.
#define STORE_PIECE(tile, format, row, piece, words)                     \
  if (format == kKvQ4) {                                                 \
    [[unroll]] for (uint part = 0; part < 2; ++part) {                   \
      const uint four = kv_four(format, piece, part);                    \
      tile[row + four / 2][four % 2 * 2] = words[2 * part];              \
      tile[row + four / 2][four % 2 * 2 + 1] = words[2 * part + 1];      \
    }                                                                    \
  } else {                                                               \
    tile[row + piece] = words;                                           \
  }

/// Puts the keys that were loaded into the tile at `base`, of which the first `written` are there.
void store_keys(uint base, uint first_row, uint written) {
  [[unroll]] for (uint i = 0; i < LOADS; ++i) {
    const uint number = gl_LocalInvocationIndex + i * THREADS;
    const uvec2 at = tile_place(number, false);
    const uvec4 words = halves(K_FORMAT, next_keys[i], first_row + at.x, at.y, at.x < written);
    if (KEYS * PIECES % THREADS == 0 || number < KEYS * PIECES) {
      STORE_PIECE(key_tile, K_FORMAT, base + at.x * ROW_STRIDE, at.y, words)
    }
  }
}

void store_values(uint base, uint first_row, uint written) {
  if (TURN_VALUES) {
    [[unroll]] for (uint i = 0; i < PAIRS; ++i) {
      const uint number = gl_LocalInvocationIndex + i * THREADS;
      const uvec2 at = tile_place(number, true);
      const uvec4 even = halves(V_FORMAT, next_values[2 * i], first_row + at.x, at.y, at.x < written);
      const uvec4 odd = halves(V_FORMAT, next_values[2 * i + 1], first_row + at.x + 1, at.y, at.x + 1 < written);
      if (KEYS / 2 * PIECES % THREADS == 0 || number < KEYS / 2 * PIECES) {
        [[unroll]] for (uint j = 0; j < 8; ++j) {
          const uint dimension = 4 * kv_four(V_FORMAT, at.y, j / 4) + j % 4;
          const uint both = j % 2 == 0 ? (even[j / 2] & 0xFFFFu) | odd[j / 2] << 16
                                       : even[j / 2] >> 16 | (odd[j / 2] & 0xFFFF0000u);
          value_tile[base + dimension * VALUE_STRIDE + at.x / 8][at.x / 2 % 4] = both;
        }
      }
    }
  } else {
    [[unroll]] for (uint i = 0; i < LOADS; ++i) {
      const uint number = gl_LocalInvocationIndex + i * THREADS;
      const uvec2 at = tile_place(number, false);
      const uvec4 words = halves(V_FORMAT, next_values[i], first_row + at.x, at.y, at.x < written);
      if (KEYS * PIECES % THREADS == 0 || number < KEYS * PIECES) {
        STORE_PIECE(value_tile, V_FORMAT, base + at.x * VALUE_STRIDE, at.y, words)
      }
    }
  }
}

/// Eight numbers of a query as f16, times log2(e); for rows that are not there, of the last one: a branch would keep
/// loads from being under way together.
uvec4 load_query_piece(uint row, uint piece) {
  const uint64_t from = query_address(min(row, rows_in_batch() - 1));
  const vec4 low = clamp(load_floats4(from, 2 * piece) * kLog2e, -kLargestHalf, kLargestHalf);
  const vec4 high = clamp(load_floats4(from, 2 * piece + 1) * kLog2e, -kLargestHalf, kLargestHalf);
  return uvec4(packHalf2x16(low.xy), packHalf2x16(low.zw), packHalf2x16(high.xy), packHalf2x16(high.zw));
}

/// The queries of the subgroup's rows, from `first_row` on.
void load_queries(uint first_row) {
  if (HOLD_QUERIES) {
    // All loads are under way before the first goes through shared memory, M x K numbers at a time.
    const uint kSlice = M * K / 8;
    const uint kEach = (kSlice + SUBGROUP - 1) / SUBGROUP;
    [[unroll]] for (uint t = 0; t < ROW_TILES; ++t) {
      uvec4 piece[HEAD / K][kEach];
      [[unroll]] for (uint k = 0; k < HEAD / K; ++k) {
        [[unroll]] for (uint i = 0; i < kEach; ++i) {
          const uint number = min(lane() + i * SUBGROUP, kSlice - 1);
          piece[k][i] = load_query_piece(first_row + t * M + number / (K / 8), k * (K / 8) + number % (K / 8));
        }
      }
      [[unroll]] for (uint k = 0; k < HEAD / K; ++k) {
        [[unroll]] for (uint i = 0; i < kEach; ++i) {
          const uint number = lane() + i * SUBGROUP;
          if (number < kSlice) places[place() + number / (K / 8) * SLICE_STRIDE + number % (K / 8)] = piece[k][i];
        }
        meet_subgroup();
        coopMatLoad(query[t][k], places, place(), SLICE_STRIDE, gl_CooperativeMatrixLayoutRowMajor);
        meet_subgroup();
      }
    }
  } else {
    const uint first = gl_SubgroupID * SUBGROUP_ROWS;
    for (uint number = lane(); number < SUBGROUP_ROWS * PIECES; number += SUBGROUP) {
      const uint row = number / PIECES;
      query_tile[(first + row) * ROW_STRIDE + number % PIECES] = load_query_piece(first_row + row, number % PIECES);
    }
    meet_subgroup();
  }
}

/// Puts kMasked where a row does not see the key. `ahead`: the first key's position less that of the block's first row.
void mask_scores(int ahead) {
  SUMS column;
  coopMatLoad(column, column_numbers, 0, 0, gl_CooperativeMatrixLayoutRowMajor);
  [[unroll]] for (uint t = 0; t < ROW_TILES; ++t) {
    SUMS row;
    coopMatLoad(row, row_positions, gl_SubgroupID * SUBGROUP_ROWS + t * M, 0, gl_CooperativeMatrixLayoutColumnMajor);
    [[unroll]] for (uint n = 0; n < KEYS / N; ++n) {
      const float first = float(ahead + int(n * N));
      const float first_and_window = float(ahead + int(n * N + window));
      [[unroll]] for (uint i = 0; i < row.length(); ++i) {
        const bool late = column[i] + first > row[i];
        const bool early = window > 0 && column[i] + first_and_window <= row[i];
        score[t][n][i] = late || early ? kMasked : score[t][n][i];
      }
    }
  }
}

/// next_score += matrices `k` of the queries' dimensions times the tile's keys.
void multiply_keys(uint k, LEFT left[ROW_TILES]) {
  [[unroll]] for (uint n = 0; n < KEYS / N; ++n) {
    RIGHT right;
    coopMatLoad(right, key_tile, key_base + n * N * ROW_STRIDE + k * (K / 8), ROW_STRIDE,
                gl_CooperativeMatrixLayoutColumnMajor);
    [[unroll]] for (uint t = 0; t < ROW_TILES; ++t) {
      next_score[t][n] = coopMatMulAdd(left[t], right, next_score[t][n]);
    }
  }
}

/// next_score = queries times the keys of the tile, less the references.
void multiply_keys() {
  [[unroll]] for (uint t = 0; t < ROW_TILES; ++t) {
    [[unroll]] for (uint n = 0; n < KEYS / N; ++n) next_score[t][n] = start[t];
  }
  LEFT left[ROW_TILES];
  if (HOLD_QUERIES) {
    [[unroll]] for (uint k = 0; k < HEAD / K; ++k) {
      [[unroll]] for (uint t = 0; t < ROW_TILES; ++t) left[t] = query[HOLD_QUERIES ? t : 0][HOLD_QUERIES ? k : 0];
      multiply_keys(k, left);
    }
  } else {
    for (uint k = 0; k < HEAD / K; ++k) {
      [[unroll]] for (uint t = 0; t < ROW_TILES; ++t) {
        const uint from = (gl_SubgroupID * SUBGROUP_ROWS + t * M) * ROW_STRIDE + k * (K / 8);
        coopMatLoad(left[t], query_tile, from, ROW_STRIDE, gl_CooperativeMatrixLayoutRowMajor);
      }
      multiply_keys(k, left);
    }
  }
}

void take_next_scores() {
  [[unroll]] for (uint t = 0; t < ROW_TILES; ++t) {
    [[unroll]] for (uint n = 0; n < KEYS / N; ++n) score[t][n] = next_score[t][n];
  }
}

/// A matrix of equal columns: value[i] in row i * SUBGROUP + lane.
SUMS equal_columns(float value[ROWS_EACH]) {
  [[unroll]] for (uint i = 0; i < ROWS_EACH; ++i) {
    const uint row = i * SUBGROUP + lane();
    if (row < M) places[place() + row / 4][row % 4] = floatBitsToUint(value[i]);
  }
  meet_subgroup();
  SUMS matrix;
  coopMatLoad(matrix, places, place(), 0, gl_CooperativeMatrixLayoutColumnMajor);
  meet_subgroup();
  return matrix;
}

/// Four neighbouring elements of row i * SUBGROUP + lane of the matrix that is in the subgroup's place.
vec4 four_of_row(uint i, uint four) {
  return uintBitsToFloat(places[place() + min(i * SUBGROUP + lane(), M - 1) * FLOAT_STRIDE + four]);
}

/// Sets references anew where scores are far above them, or there is none yet.
void raise_references() {
  bool all_set = true;
  [[unroll]] for (uint t = 0; t < ROW_TILES; ++t) {
    SUMS top = score[t][0];
    [[unroll]] for (uint n = 1; n < KEYS / N; ++n) {
      [[unroll]] for (uint i = 0; i < top.length(); ++i) top[i] = max(top[i], score[t][n][i]);
    }
    coopMatStore(top, places, place(), FLOAT_STRIDE, gl_CooperativeMatrixLayoutRowMajor);
    meet_subgroup();
    float greatest[ROWS_EACH];
    [[unroll]] for (uint i = 0; i < ROWS_EACH; ++i) {
      vec4 four = four_of_row(i, 0);
      [[unroll]] for (uint c = 1; c < N / 4; ++c) four = max(four, four_of_row(i, c));
      greatest[i] = max(max(four.x, four.y), max(four.z, four.w));
    }
    meet_subgroup();
    top = equal_columns(greatest);
    SUMS factor;
    [[unroll]] for (uint i = 0; i < top.length(); ++i) {
      const bool unset = start[t][i] == kUnset;
      const bool rises = top[i] > (unset ? kUnknown : kMost);
      const float rise = rises ? top[i] - kBelow : 0;
      factor[i] = unset ? 1 : exp2(-rise);
      weight[t][i] *= factor[i];
      start[t][i] = rises ? (unset ? -rise : start[t][i] - rise) : start[t][i];
      all_set = all_set && (rises || !unset);
      top[i] = rise;
    }
    [[unroll]] for (uint n = 0; n < KEYS / N; ++n) {
      [[unroll]] for (uint i = 0; i < top.length(); ++i) score[t][n][i] -= top[i];
    }
    [[unroll]] for (uint d = 0; d < HEAD / N; ++d) {
      [[unroll]] for (uint i = 0; i < top.length(); ++i) sum[t][d][i] *= factor[i];
    }
  }
  settled = subgroupBallot(!all_set) == uvec4(0);
}

/// Sees to it that no weight will leave the range of f16.
void settle_references() {
  float greatest = kMasked;
  [[unroll]] for (uint t = 0; t < ROW_TILES; ++t) {
    [[unroll]] for (uint n = 0; n < KEYS / N; ++n) {
      [[unroll]] for (uint i = 0; i < start[t].length(); ++i) greatest = max(greatest, score[t][n][i]);
    }
  }
  if (!settled || subgroupBallot(greatest > kMost) != uvec4(0)) raise_references();
}

/// Makes weights of scores; unless they can stay where they are, puts them into the subgroup's place.
void weigh() {
  [[unroll]] for (uint t = 0; t < ROW_TILES; ++t) {
    [[unroll]] for (uint n = 0; n < KEYS / N; ++n) {
      [[unroll]] for (uint i = 0; i < start[t].length(); ++i) {
        const float one = exp2(score[t][n][i]);
        score[t][n][i] = one;
        weight[t][i] += one;
      }
      if (!IN_PLACE) {
        coopMatStore(coopmat<float16_t, gl_ScopeSubgroup, M, N, gl_MatrixUseAccumulator>(score[t][n]), places,
                     place() + t * M * WEIGHT_STRIDE + n * (N / 8), WEIGHT_STRIDE, gl_CooperativeMatrixLayoutRowMajor);
      }
    }
  }
  if (!IN_PLACE) meet_subgroup();
}

/// sum += weights times the values of the tile.
void multiply_values() {
  [[unroll]] for (uint k = 0; k < KEYS / K; ++k) {
    LEFT left[ROW_TILES];
    [[unroll]] for (uint t = 0; t < ROW_TILES; ++t) {
      if (IN_PLACE) {
        [[unroll]] for (uint i = 0; i < start[t].length(); ++i) left[t][i] = float16_t(score[t][IN_PLACE ? k : 0][i]);
      } else {
        coopMatLoad(left[t], places, place() + t * M * WEIGHT_STRIDE + k * (K / 8), WEIGHT_STRIDE,
                    gl_CooperativeMatrixLayoutRowMajor);
      }
    }
    [[unroll]] for (uint d = 0; d < HEAD / N; ++d) {
      RIGHT right;
      if (TURN_VALUES) {
        coopMatLoad(right, value_tile, value_base + d * N * VALUE_STRIDE + k * (K / 8), VALUE_STRIDE,
                    gl_CooperativeMatrixLayoutColumnMajor);
      } else {
        coopMatLoad(right, value_tile, value_base + k * K * VALUE_STRIDE + d * (N / 8), VALUE_STRIDE,
                    gl_CooperativeMatrixLayoutRowMajor);
      }
      [[unroll]] for (uint t = 0; t < ROW_TILES; ++t) sum[t][d] = coopMatMulAdd(left[t], right, sum[t][d]);
    }
  }
  if (!IN_PLACE) meet_subgroup();
}

/// The results of the subgroup's rows, from `first_row` on, or their parts.
void store_rows(uint first_row) {
  [[unroll]] for (uint t = 0; t < ROW_TILES; ++t) {
    coopMatStore(weight[t], places, place(), FLOAT_STRIDE, gl_CooperativeMatrixLayoutRowMajor);
    meet_subgroup();
    float total[ROWS_EACH];
    [[unroll]] for (uint i = 0; i < ROWS_EACH; ++i) {
      vec4 four = vec4(0);
      [[unroll]] for (uint c = 0; c < N / 4; ++c) four += four_of_row(i, c);
      total[i] = four.x + four.y + four.z + four.w;
    }
    meet_subgroup();
    if (SPLIT) {
      coopMatStore(start[t], places, place(), FLOAT_STRIDE, gl_CooperativeMatrixLayoutRowMajor);
      meet_subgroup();
      [[unroll]] for (uint i = 0; i < ROWS_EACH; ++i) {
        const uint row = first_row + t * M + i * SUBGROUP + lane();
        const float reference = total[i] > 0 ? -four_of_row(i, 0).x / kLog2e : kUnknown;
        if (i * SUBGROUP + lane() < M && row < rows_in_batch()) store_part_weight(row, reference, total[i]);
      }
      meet_subgroup();
    } else {
      [[unroll]] for (uint i = 0; i < ROWS_EACH; ++i) total[i] = 1 / total[i];
      const SUMS factor = equal_columns(total);
      [[unroll]] for (uint d = 0; d < HEAD / N; ++d) {
        [[unroll]] for (uint i = 0; i < factor.length(); ++i) sum[t][d][i] *= factor[i];
      }
    }
    [[unroll]] for (uint d = 0; d < HEAD / N; ++d) {
      coopMatStore(sum[t][d], places, place(), FLOAT_STRIDE, gl_CooperativeMatrixLayoutRowMajor);
      meet_subgroup();
      [[unroll]] for (uint first = 0; first < M * N / 4; first += SUBGROUP) {
        const uint number = first + lane();
        const uint row = first_row + t * M + number / (N / 4);
        if (number < M * N / 4 && row < rows_in_batch()) {
          const vec4 value = uintBitsToFloat(places[place() + number / (N / 4) * FLOAT_STRIDE + number % (N / 4)]);
          store_four(row, d * (N / 4) + number % (N / 4), value);
        }
      }
      meet_subgroup();
    }
  }
}

// What the workgroup and the subgroup are to do: see main().
PageTable pages;
uint to_values;       // bytes from a page's keys to its values
uvec2 part;           // tiles, from x to before y
uint block_position;  // of the first row
uint last;            // position of the last row: keys beyond it need not be there
bool works;           // the subgroup has rows
uint own_first;       // positions of its rows
uint own_last;

/// The first key of a tile, or of the last one: that is loaded again after the end, because a branch would part what is
/// to overlap.
uint first_key_of(uint tile) { return min(tile, max(part.y, 1) - 1) * KEYS; }
uint written_from(uint first_key) { return last + 1 - min(first_key, last); }

/// The rows of the head's keys in the tile's page.
uint64_t rows_of_tile(uint tile) { return tile_rows(pages, first_key_of(tile)); }

void load_tile_keys(uint64_t rows, uint tile) { load_keys(rows, first_key_of(tile) % kPageTokens); }
void load_tile_values(uint64_t rows, uint tile) { load_values(rows + to_values, first_key_of(tile) % kPageTokens); }
void store_tile_keys(uint base, uint tile) {
  const uint first_key = first_key_of(tile);
  store_keys(base, first_key % kPageTokens, written_from(first_key));
}
void store_tile_values(uint base, uint tile) {
  const uint first_key = first_key_of(tile);
  store_values(base, first_key % kPageTokens, written_from(first_key));
}

/// Some of the subgroup's rows do not see some of the tile's keys.
bool masked(uint first_key) {
  return first_key + KEYS - 1 > own_first || first_key < first_seen(own_last);
}

void run_in_turn() {
  store_tile_keys(0, part.x);
  uint64_t next_rows = rows_of_tile(part.x + 1);
  barrier();
  for (uint tile = part.x; tile < part.y; ++tile) {
    const uint first_key = tile * KEYS;
    const uint64_t rows = next_rows;
    next_rows = rows_of_tile(tile + 2);  // in time: who waits for an address issues nothing
    const bool seen = works && first_key <= own_last && first_key + KEYS > first_seen(own_first);
    if (seen) {
      multiply_keys();
      take_next_scores();
      if (masked(first_key)) mask_scores(int(first_key) - int(block_position));
      settle_references();
      weigh();
    }
    store_tile_values(0, tile);
    load_tile_keys(rows, tile + 1);
    barrier();
    if (seen) multiply_values();
    store_tile_keys(0, tile + 1);
    load_tile_values(rows, tile + 1);
    barrier();
  }
}

void run_ahead() {
  store_tile_keys(0, part.x);
  store_tile_values(0, part.x);
  load_tile_keys(rows_of_tile(part.x + 1), part.x + 1);
  store_tile_keys(KEY_TILE, part.x + 1);
  barrier();
  multiply_keys();
  take_next_scores();
  barrier();
  key_base = KEY_TILE;
  [[dont_unroll]] for (uint tile = part.x; tile < part.y; ++tile) {
    load_tile_keys(rows_of_tile(tile + 2), tile + 2);
    load_tile_values(rows_of_tile(tile + 1), tile + 1);
    if (masked(tile * KEYS)) mask_scores(int(tile * KEYS) - int(block_position));
    settle_references();
    weigh();
    multiply_keys();
    multiply_values();
    take_next_scores();
    key_base = KEY_TILE - key_base;
    value_base = VALUE_TILE - value_base;
    store_tile_keys(key_base, tile + 2);
    store_tile_values(value_base, tile + 1);
    barrier();
  }
}

void main() {
  const uint first_row = block_number() * ROWS;
  if (first_row >= rows_in_batch()) return;
  const uint last_row = min(first_row + ROWS, rows_in_batch()) - 1;
  block_position = position_of(first_row);
  last = position_of(last_row);
  for (uint row = gl_LocalInvocationIndex; row < ROWS; row += THREADS) {
    row_positions[row] = float(position_of(min(first_row + row, last_row)) - block_position);
  }
  for (uint column = gl_LocalInvocationIndex; column < N; column += THREADS) column_numbers[column] = float(column);
  pages = PageTable(tables.slot[batch.entries[first_row / SHARING].slot]);
  part = tiles_of_part(block_position, last, KEYS);
  to_values = values_from_keys(v_offset, kv_head(), K_FORMAT, V_FORMAT);
  const uint own_row = first_row + gl_SubgroupID * SUBGROUP_ROWS;
  works = own_row <= last_row;
  own_first = position_of(min(own_row, last_row));
  own_last = position_of(min(own_row + SUBGROUP_ROWS - 1, last_row));

  const uint64_t first_rows = rows_of_tile(part.x);
  load_tile_keys(first_rows, part.x);
  load_tile_values(first_rows, part.x);
  load_queries(own_row);
  [[unroll]] for (uint t = 0; t < ROW_TILES; ++t) {
    start[t] = SUMS(kUnset);
    weight[t] = SUMS(0.0);
    [[unroll]] for (uint d = 0; d < HEAD / N; ++d) sum[t][d] = SUMS(0.0);
  }
  if (AHEAD) {
    run_ahead();
  } else {
    run_in_turn();
  }
  if (works) store_rows(own_row);
}
