#version 460
// Attention of a batch's queries over the KV pages of their sequences without matrix units, causal, with an online
// softmax (https://arxiv.org/abs/2307.08691), in f32. See attention_rows.glsl for what lies where. The batch is tokens of
// one sequence, or with ONE_TOKEN of several, one each.
//
// Subgroups work by themselves. A subgroup's lanes are COLUMN_LANES for each ROWS_EACH rows. For scores a lane has
// KEYS_EACH neighbouring keys of a tile, for values pieces of eight dimensions; weights go from one to the other through
// shared memory. So every key and value is loaded once for all rows of a lane, and what rows and keys multiply with is
// in registers. Little is unrolled: neither dimensions nor keys of a tile beyond a lane's own.
#include "common.glsl"
#include "attention_rows.glsl"
layout(constant_id = 9) const uint SUBGROUPS = 1;
layout(constant_id = 10) const uint COLUMN_LANES = 8;  // a power of two that divides the subgroup
layout(constant_id = 11) const uint ROWS_EACH = 8;
layout(constant_id = 12) const uint KEYS_EACH = 8;    // even; COLUMN_LANES times as many divide a page
layout(constant_id = 13) const bool ONE_TOKEN = false;

const uint SUBGROUP_ROWS = SUBGROUP / COLUMN_LANES * ROWS_EACH;
const uint BLOCKS_OF_TOKEN = (SHARING + SUBGROUP_ROWS - 1) / SUBGROUP_ROWS;
const uint KEYS = COLUMN_LANES * KEYS_EACH;
const uint PIECES_EACH = (PIECES + COLUMN_LANES - 1) / COLUMN_LANES;
const uint PAIRS = KEYS / 2;
const uint STRIDE = PAIRS + 1;
const float kNever = -1e30;

// Of two neighbouring keys, as one number: a software device pays by the load. (SUBGROUPS, rows, STRIDE)
shared uint64_t weights[SUBGROUPS * SUBGROUP_ROWS * STRIDE];

uint column_lane() { return gl_SubgroupInvocationID % COLUMN_LANES; }
/// The first of this lane's rows, of those of its subgroup.
uint lane_rows() { return gl_SubgroupInvocationID / COLUMN_LANES * ROWS_EACH; }
uint weights_of(uint r) { return (gl_SubgroupID * SUBGROUP_ROWS + lane_rows() + r) * STRIDE; }

/// Number `s` of the pieces of this lane. Lanes beyond the row repeat its last piece, for nothing.
uint own_piece(uint s) { return min(s * COLUMN_LANES + column_lane(), PIECES - 1); }

float greatest_of_columns(float value) {
  if (COLUMN_LANES == SUBGROUP) return subgroupMax(value);
  [[unroll]] for (uint bit = 1; bit < COLUMN_LANES; bit *= 2) value = max(value, subgroupShuffleXor(value, bit));
  return value;
}
float sum_of_columns(float value) {
  if (COLUMN_LANES == SUBGROUP) return subgroupAdd(value);
  [[unroll]] for (uint bit = 1; bit < COLUMN_LANES; bit *= 2) value += subgroupShuffleXor(value, bit);
  return value;
}

float add_product(float to, vec4 a, vec4 b) {
  return fma(a.w, b.w, fma(a.z, b.z, fma(a.y, b.y, fma(a.x, b.x, to))));
}

void main() {
  const uint block = block_number() * SUBGROUPS + gl_SubgroupID;
  const uint token = block / BLOCKS_OF_TOKEN;
  const uint first_row =
      ONE_TOKEN ? token * SHARING + block % BLOCKS_OF_TOKEN * SUBGROUP_ROWS : block * SUBGROUP_ROWS;
  if (first_row >= rows_in_batch()) return;
  const uint last_row = min(first_row + SUBGROUP_ROWS, ONE_TOKEN ? (token + 1) * SHARING : rows_in_batch()) - 1;
  const uint first = position_of(first_row);
  const uint last = position_of(last_row);
  PageTable pages = PageTable(tables.slot[batch.entries[first_row / SHARING].slot]);
  const uint to_values = values_from_keys(v_offset, kv_head(), K_FORMAT, V_FORMAT);

  uint64_t query[ROWS_EACH];
  uint position[ROWS_EACH];
  float maximum[ROWS_EACH];
  float total[ROWS_EACH];  // of this lane's keys
  vec4 sum[ROWS_EACH][PIECES_EACH][2];
  [[unroll]] for (uint r = 0; r < ROWS_EACH; ++r) {
    const uint row = min(first_row + lane_rows() + r, last_row);
    query[r] = query_address(row);
    position[r] = position_of(row);
    maximum[r] = kNever;
    total[r] = 0;
    [[unroll]] for (uint s = 0; s < PIECES_EACH; ++s) sum[r][s] = vec4[2](vec4(0), vec4(0));
  }

  const uvec2 part = tiles_of_part(first, last, KEYS);
  for (uint tile = part.x; tile < part.y; ++tile) {
    const uint first_key = tile * KEYS;
    const uint64_t rows = tile_rows(pages, first_key);
    const uint own_key = first_key + column_lane() * KEYS_EACH;

    // Keys past the last are read (their page exists) and masked below.
    float score[ROWS_EACH][KEYS_EACH];
    [[unroll]] for (uint r = 0; r < ROWS_EACH; ++r) {
      [[unroll]] for (uint j = 0; j < KEYS_EACH; ++j) score[r][j] = 0;
    }
    [[dont_unroll]] for (uint piece = 0; piece < PIECES; ++piece) {
      const KvPlace from = kv_place(K_FORMAT, rows, own_key % kPageTokens, piece);
      vec4 low[KEYS_EACH];
      vec4 high[KEYS_EACH];
      [[unroll]] for (uint j = 0; j < KEYS_EACH; ++j) {
        dequantize_kv(K_FORMAT, load_kv(K_FORMAT, from, j), kv_scale_index(own_key % kPageTokens + j, piece), low[j],
                      high[j]);
      }
      [[unroll]] for (uint r = 0; r < ROWS_EACH; ++r) {
        const vec4 query_low = load_floats4(query[r], kv_four(K_FORMAT, piece, 0));
        const vec4 query_high = load_floats4(query[r], kv_four(K_FORMAT, piece, 1));
        [[unroll]] for (uint j = 0; j < KEYS_EACH; ++j) {
          score[r][j] = add_product(add_product(score[r][j], query_low, low[j]), query_high, high[j]);
        }
      }
    }

    [[unroll]] for (uint r = 0; r < ROWS_EACH; ++r) {
      float greatest = kNever;
      [[unroll]] for (uint j = 0; j < KEYS_EACH; ++j) {
        if (!sees(position[r], own_key + j)) score[r][j] = kNever;
        greatest = max(greatest, score[r][j]);
      }
      const float larger = max(maximum[r], greatest_of_columns(greatest));
      const float shrink = exp(maximum[r] - larger);
      maximum[r] = larger;
      total[r] *= shrink;
      [[unroll]] for (uint j = 0; j < KEYS_EACH; ++j) {
        score[r][j] = sees(position[r], own_key + j) ? exp(score[r][j] - larger) : 0;
        total[r] += score[r][j];
      }
      [[unroll]] for (uint j = 0; j < KEYS_EACH; j += 2) {
        weights[weights_of(r) + (column_lane() * KEYS_EACH + j) / 2] =
            packUint2x32(floatBitsToUint(vec2(score[r][j], score[r][j + 1])));
      }
      [[unroll]] for (uint s = 0; s < PIECES_EACH; ++s) {
        sum[r][s][0] *= shrink;
        sum[r][s][1] *= shrink;
      }
    }
    meet_subgroup();

    const uint written = min(last + 1 - first_key, KEYS);
    [[dont_unroll]] for (uint pair = 0; 2 * pair < written; ++pair) {
      const uint row = first_key % kPageTokens + 2 * pair;
      vec4 low[2][PIECES_EACH];
      vec4 high[2][PIECES_EACH];
      [[unroll]] for (uint s = 0; s < PIECES_EACH; ++s) {
        const KvPlace from = kv_place(V_FORMAT, rows + to_values, row, own_piece(s));
        [[unroll]] for (uint u = 0; u < 2; ++u) {
          dequantize_kv(V_FORMAT, load_kv(V_FORMAT, from, u), kv_scale_index(row + u, own_piece(s)), low[u][s],
                        high[u][s]);
        }
        // Rows not written yet may hold anything, NaN too: they must not meet a weight of zero.
        if (2 * pair + 1 == written) {
          low[1][s] = vec4(0);
          high[1][s] = vec4(0);
        }
      }
      [[unroll]] for (uint r = 0; r < ROWS_EACH; ++r) {
        const vec2 weight = uintBitsToFloat(unpackUint2x32(weights[weights_of(r) + pair]));
        [[unroll]] for (uint s = 0; s < PIECES_EACH; ++s) {
          sum[r][s][0] = fma(vec4(weight.y), low[1][s], fma(vec4(weight.x), low[0][s], sum[r][s][0]));
          sum[r][s][1] = fma(vec4(weight.y), high[1][s], fma(vec4(weight.x), high[0][s], sum[r][s][1]));
        }
      }
    }
    meet_subgroup();
  }

  [[unroll]] for (uint r = 0; r < ROWS_EACH; ++r) {
    const uint row = first_row + lane_rows() + r;
    const float all = sum_of_columns(total[r]);
    if (row > last_row) continue;
    const float factor = SPLIT ? 1 : 1 / all;
    [[unroll]] for (uint s = 0; s < PIECES_EACH; ++s) {
      if (PIECES % COLUMN_LANES != 0 && s * COLUMN_LANES + column_lane() >= PIECES) continue;
      store_four(row, kv_four(V_FORMAT, own_piece(s), 0), sum[r][s][0] * factor);
      store_four(row, kv_four(V_FORMAT, own_piece(s), 1), sum[r][s][1] * factor);
    }
    if (SPLIT && column_lane() == 0) store_part_weight(row, maximum[r], all);
  }
}
