#version 460
// Attention of a decode step after a long context, on matrix units; see decode_attention_inputs.glsl for what lies
// where. A workgroup serves one token, up to N query heads that share a KV head, and one part of the keys, so that each
// key and value is read once. Its subgroups take tiles of TILE keys in turn, each for itself: no subgroup waits for
// another before the end.
//
// A tile's keys and values come as pieces of 16 bytes a lane, a tile ahead of their use, and pass as f16 through the
// subgroup's share of shared memory, first the keys, then the values. Keys are the left matrix of scores (TILE, N) =
// keys (TILE, HEAD) times queries (HEAD, N); values that of sums (HEAD, N) += values (HEAD, TILE) times weights (TILE,
// N): what streams by is rows, and N may be 8 where the device multiplies so. Scores pass through shared memory too:
// four keys a lane, so that the softmax needs not know which lane holds what of a matrix. Weights are 2^(score -
// reference). A reference is near the greatest score of its head so far: it rises when a weight would leave the range
// of f16, seldom after the first tile.
#extension GL_EXT_shader_explicit_arithmetic_types_float16 : require
#extension GL_KHR_cooperative_matrix : require
#extension GL_KHR_memory_scope_semantics : require
#include "decode_attention_inputs.glsl"
#include "kv_halves.glsl"
layout(constant_id = 12) const uint M = 16;
layout(constant_id = 13) const uint N = 16;
layout(constant_id = 14) const uint K = 16;
// Keys: a power of two, a multiple of M and K, at least N, and 2 N unless half a head is whole matrices and units of 32.
// Loads of all lanes, of one or two pieces each, divide it.
layout(constant_id = 15) const uint TILE = 16;

// Strides are in 16 bytes. Each is odd, so that rows that are read together begin in different banks.
const uint ROW_STRIDE = PIECES + 1;
const uint SCORE_STRIDE = TILE / 4 + 1;
const uint WEIGHT_STRIDE = TILE / 8 + 1;
const uint TILE_PIECES = TILE * ROW_STRIDE;
const uint SHARE = TILE_PIECES + N * WEIGHT_STRIDE;
const uint ROUND_HEADS = HEADS;
const uint ROUND_FOURS = 2 * N <= TILE ? FOURS : FOURS / 2;
const uint MERGED_AT_ONCE = 16;
#include "decode_attention_shared.glsl"

const uint LOADS = TILE * PIECES / SUBGROUP;
const uint HEAD_FOURS = TILE / 4;                                       // lanes that share a head's scores
const uint EACH = (N * HEAD_FOURS + SUBGROUP - 1) / SUBGROUP;           // fours of scores of a lane
const float kLog2e = 1.4426950408889634;
const float kMasked = -2e30;  // below kNever
// As in attention_units.comp: what is 2^-30 of the greatest weight is still a number.
const float kBelow = 6;
const float kMost = 13;
const float kLargestHalf = 65504;

shared uvec4 query_rows[N * ROW_STRIDE];  // f16, times log2(e)

coopmat<float16_t, gl_ScopeSubgroup, K, N, gl_MatrixUseB> query[HEAD / K];
coopmat<float, gl_ScopeSubgroup, M, N, gl_MatrixUseAccumulator> sum[HEAD / M];
// Of the heads whose scores this lane has, the same in all lanes that share a head; the totals only of its own keys.
float reference[EACH];
float total[EACH];

uint lane() { return gl_SubgroupInvocationID; }
uint tile_place() { return gl_SubgroupID * SHARE; }
uint weight_place() { return gl_SubgroupID * SHARE + TILE_PIECES; }
/// The head, and which four of a tile's keys.
uint score_head(uint i) { return min(i * SUBGROUP + lane(), N * HEAD_FOURS - 1) / HEAD_FOURS; }
uint score_four(uint i) { return min(i * SUBGROUP + lane(), N * HEAD_FOURS - 1) % HEAD_FOURS; }

vec4 load_sums(uint at) {
  const vec4 four = uintBitsToFloat(memory[at]);
  return V_FORMAT == kKvF16 ? four : four.xzyw;
}

void put_query(uint query, uvec4 at, vec4 value) {
  const uvec4 words = pack_step(at, clamp(value * kLog2e, -kLargestHalf, kLargestHalf));
  query_rows[query * ROW_STRIDE + words.x / 4][words.x % 4] = words.y;
  query_rows[query * ROW_STRIDE + words.z / 4][words.z % 4] = words.w;
}

/// Pieces that a lane loads at once.
uint together(uint format) { return format == kKvF16 ? 1 : 2; }

/// Where this lane's piece `i` of a tile lies: x the row, y the piece of it. A load of all lanes is whole rows, so that
/// the places of a lane's pieces are constants apart.
uvec2 place_of(uint format, uint i) {
  const uint loads = PIECES / together(format);  // of a row
  return uvec2(lane() / loads + i / together(format) * (SUBGROUP / loads),
               lane() % loads * together(format) + i % together(format));
}

/// This lane's pieces of a tile's rows, from `first_row` of a page on; of q8_0 and q4_0 first all codes, then scales.
void load_rows(uint format, uint64_t rows, uint first_row, out uvec4 raw[LOADS]) {
  const uvec2 first = place_of(format, 0);
  const KvPlace place = kv_place(format, rows, first_row + first.x, first.y);
  [[unroll]] for (uint i = 0; i < LOADS / together(format); ++i) {
    const uint later = place_of(format, i * together(format)).x - first.x;
    if (format == kKvF16) {
      raw[i] = load_kv(format, place, later);
    } else {
      raw[i] = load_kv_codes(format, place, later);
      raw[LOADS / 2 + i].x = load_kv_scales(place, later);
    }
  }
}

/// This lane's piece `i` as f16; of q8_0 and q4_0 each four in the order 0 2 1 3.
uvec4 halves(uint format, uvec4 raw[LOADS], uint i, uint row) {
  uvec4 words = raw[i / together(format)];
  if (format != kKvF16) {
    const uvec2 codes = format == kKvQ4 ? uvec2(words[i % 2]) : i % 2 == 0 ? words.xy : words.zw;
    words = kv_halves_exchanged(format, codes, raw[LOADS / 2 + i / 2].x,
                                kv_scale_index(row, place_of(format, i).y));
  }
  return words;
}

/// A piece of own_row, the same way.
uvec4 own_halves(uint format, uint piece) {
  const uvec4 raw = own_row[piece];
  return format == kKvF16 ? raw : kv_halves_exchanged(format, raw.xy, raw.z, 0);
}

/// Puts a piece where it becomes part of a matrix.
void put_piece(uint format, uvec2 at, uvec4 words) {
  const uint row = tile_place() + at.x * ROW_STRIDE;
  if (format == kKvQ4) {
    [[unroll]] for (uint part = 0; part < 2; ++part) {
      const uint four = kv_four(format, at.y, part);
      memory[row + four / 2][four % 2 * 2] = words[2 * part];
      memory[row + four / 2][four % 2 * 2 + 1] = words[2 * part + 1];
    }
  } else {
    memory[row + at.y] = words;
  }
}

/// Puts a tile's rows where they become matrices. With `edge` there may be keys that are not seen: their rows may hold
/// anything, NaN too, which no weight of zero would silence. The new token's comes from own_row, from `own` on.
void put_rows(uint format, uvec4 raw[LOADS], uint first_key, uint own, bool edge, uint earliest, uint position) {
  [[unroll]] for (uint i = 0; i < LOADS; ++i) {
    const uvec2 at = place_of(format, i);
    put_piece(format, at, halves(format, raw, i, first_key + at.x));
  }
  if (edge) {
    meet_subgroup();
    for (uint number = lane(); number < TILE * PIECES; number += SUBGROUP) {
      const uvec2 at = uvec2(number / PIECES, number % PIECES);
      const uint key = first_key + at.x;
      if (key < earliest || key >= position) {
        put_piece(format, at, key == position ? own_halves(format, own + at.y) : uvec4(0));
      }
    }
  }
}

/// Puts the queries' fours into the order of the keys'.
void exchange_queries() {
  for (uint at = gl_LocalInvocationIndex; at < N * ROW_STRIDE; at += SUBGROUPS * SUBGROUP) {
    const uvec4 words = query_rows[at];
    query_rows[at] = uvec4((words.x & 0xFFFFu) | words.y << 16, words.x >> 16 | (words.y & 0xFFFF0000u),
                           (words.z & 0xFFFFu) | words.w << 16, words.z >> 16 | (words.w & 0xFFFF0000u));
  }
}

/// score = the tile's keys times the queries, then into the place of the keys.
void multiply_keys() {
  // Two chains of sums, so that one does not wait for the other.
  coopmat<float, gl_ScopeSubgroup, M, N, gl_MatrixUseAccumulator> score[TILE / M][2];
  [[unroll]] for (uint t = 0; t < TILE / M; ++t) {
    score[t][0] = coopmat<float, gl_ScopeSubgroup, M, N, gl_MatrixUseAccumulator>(0.0);
    score[t][1] = coopmat<float, gl_ScopeSubgroup, M, N, gl_MatrixUseAccumulator>(0.0);
  }
  [[unroll]] for (uint k = 0; k < HEAD / K; ++k) {
    [[unroll]] for (uint t = 0; t < TILE / M; ++t) {
      coopmat<float16_t, gl_ScopeSubgroup, M, K, gl_MatrixUseA> keys;
      coopMatLoad(keys, memory, tile_place() + t * M * ROW_STRIDE + k * (K / 8), ROW_STRIDE,
                  gl_CooperativeMatrixLayoutRowMajor);
      score[t][k % 2] = coopMatMulAdd(keys, query[k], score[t][k % 2]);
    }
  }
  meet_subgroup();
  [[unroll]] for (uint t = 0; t < TILE / M; ++t) {
    coopMatStore(score[t][0] + score[t][1], memory, tile_place() + t * (M / 4), SCORE_STRIDE,
                 gl_CooperativeMatrixLayoutColumnMajor);
  }
  meet_subgroup();
}

/// Multiplies the sums of head score_head(i) with factor[i]. The scores have been read.
void shrink_sums(float factor[EACH]) {
  meet_subgroup();
  [[unroll]] for (uint i = 0; i < EACH; ++i) {
    if (score_four(i) < M / 4) {
      memory[tile_place() + score_head(i) * SCORE_STRIDE + score_four(i)] = uvec4(floatBitsToUint(factor[i]));
    }
  }
  meet_subgroup();
  coopmat<float, gl_ScopeSubgroup, M, N, gl_MatrixUseAccumulator> factors;
  coopMatLoad(factors, memory, tile_place(), SCORE_STRIDE, gl_CooperativeMatrixLayoutColumnMajor);
  [[unroll]] for (uint d = 0; d < HEAD / M; ++d) {
    [[unroll]] for (uint i = 0; i < factors.length(); ++i) sum[d][i] *= factors[i];
  }
}

/// Makes weights of the tile's scores.
void weigh(uint first_key, bool edge, uint earliest, uint position) {
  vec4 scores[EACH];
  float greatest[EACH];
  bool above = false;
  [[unroll]] for (uint i = 0; i < EACH; ++i) {
    scores[i] = uintBitsToFloat(memory[tile_place() + score_head(i) * SCORE_STRIDE + score_four(i)]);
    if (edge) {
      [[unroll]] for (uint c = 0; c < 4; ++c) {
        const uint key = first_key + 4 * score_four(i) + c;
        if (key < earliest || key > position) scores[i][c] = kMasked;
      }
    }
    greatest[i] = max(max(scores[i].x, scores[i].y), max(scores[i].z, scores[i].w));
    above = above || greatest[i] > reference[i] + kMost;
  }
  if (subgroupBallot(above) != uvec4(0)) {
    float factor[EACH];
    [[unroll]] for (uint i = 0; i < EACH; ++i) {
      [[unroll]] for (uint bit = 1; bit < HEAD_FOURS; bit *= 2) {
        greatest[i] = max(greatest[i], subgroupShuffleXor(greatest[i], bit));
      }
      const float raised = greatest[i] > reference[i] + kMost ? greatest[i] - kBelow : reference[i];
      factor[i] = exp2(reference[i] - raised);
      reference[i] = raised;
      total[i] *= factor[i];
    }
    shrink_sums(factor);
  }
  [[unroll]] for (uint i = 0; i < EACH; ++i) {
    const vec4 weight = exp2(scores[i] - reference[i]);
    total[i] += weight.x + weight.y + weight.z + weight.w;
    const uint at = weight_place() + score_head(i) * WEIGHT_STRIDE + score_four(i) / 2;
    memory[at][score_four(i) % 2 * 2] = packHalf2x16(weight.xy);
    memory[at][score_four(i) % 2 * 2 + 1] = packHalf2x16(weight.zw);
  }
}

/// sum += the tile's values times the weights.
void multiply_values() {
  [[unroll]] for (uint k = 0; k < TILE / K; ++k) {
    coopmat<float16_t, gl_ScopeSubgroup, K, N, gl_MatrixUseB> weights;
    coopMatLoad(weights, memory, weight_place() + k * (K / 8), WEIGHT_STRIDE, gl_CooperativeMatrixLayoutColumnMajor);
    [[unroll]] for (uint d = 0; d < HEAD / M; ++d) {
      coopmat<float16_t, gl_ScopeSubgroup, M, K, gl_MatrixUseA> values;
      coopMatLoad(values, memory, tile_place() + k * K * ROW_STRIDE + d * (M / 8), ROW_STRIDE,
                  gl_CooperativeMatrixLayoutColumnMajor);
      sum[d] = coopMatMulAdd(values, weights, sum[d]);
    }
  }
}

void main() {
  const uint token = gl_WorkGroupID.y;
  // Loaded before it is known whether it is in use: a batch has room for all that a recording is made for.
  const uint slot = batch.entries[token].slot;
  const uint position = batch.entries[token].position;
  if (token >= batch.tokens) return;
  PageTable pages = PageTable(tables.slot[slot]);
  const uint kv_head = gl_WorkGroupID.x / CHUNKS;
  const uint first_in_group = gl_WorkGroupID.x % CHUNKS * HEADS;
  const uint first_head = kv_head * SHARING + first_in_group;
  const uint most_heads = min(HEADS, SHARING - first_in_group);

  // The last tile has the new key, which comes from shared memory.
  const uint earliest = window == 0 || position < window ? 0 : position - window + 1;
  const Part part = own_part(earliest, position + 1);
  if (part.number >= part.parts) return;
  const bool has_own = part.number == part.parts - 1;
  const uint busy = min(part.end - part.begin, SUBGROUPS);
  const uint to_values = values_from_keys(v_offset, kv_head, K_FORMAT, V_FORMAT);

  uint tile = part.begin + gl_SubgroupID;
  uint64_t next_page = 0;
  uvec4 keys[LOADS];
  uvec4 values[LOADS];
  if (tile < part.end) {
    const uint64_t page = rows_of_keys(pages.page[tile * TILE / kPageTokens], layer_offset, kv_head, K_FORMAT);
    next_page = rows_of_keys(pages.page[min(tile + SUBGROUPS, part.end - 1) * TILE / kPageTokens], layer_offset,
                             kv_head, K_FORMAT);
    load_rows(K_FORMAT, page, tile * TILE % kPageTokens, keys);
    load_rows(V_FORMAT, page + to_values, tile * TILE % kPageTokens, values);
  }
  uint64_t own_page = 0;
  if (has_own && first_in_group == 0) {
    own_page = rows_of_keys(pages.page[position / kPageTokens], layer_offset, kv_head, K_FORMAT);
  }
  prepare(token, first_head, most_heads, kv_head, position, has_own, own_page, to_values);
  for (uint at = HEADS * ROW_STRIDE + gl_LocalInvocationIndex; at < N * ROW_STRIDE; at += SUBGROUPS * SUBGROUP) {
    query_rows[at] = uvec4(0);
  }
  barrier();

  if (K_FORMAT != kKvF16) {
    exchange_queries();
    barrier();
  }
  [[unroll]] for (uint k = 0; k < HEAD / K; ++k) {
    coopMatLoad(query[k], query_rows, k * (K / 8), ROW_STRIDE, gl_CooperativeMatrixLayoutColumnMajor);
  }
  [[unroll]] for (uint d = 0; d < HEAD / M; ++d) {
    sum[d] = coopmat<float, gl_ScopeSubgroup, M, N, gl_MatrixUseAccumulator>(0.0);
  }
  [[unroll]] for (uint i = 0; i < EACH; ++i) {
    reference[i] = kNever;
    total[i] = 0;
  }

  while (tile < part.end) {
    const uint first_key = tile * TILE;
    const bool edge = first_key < earliest || first_key + TILE > position;
    const uint next = tile + SUBGROUPS;
    const uint next_row = next * TILE % kPageTokens;
    const uint64_t page = next_page;
    put_rows(K_FORMAT, keys, first_key, 0, edge, earliest, position);
    if (next < part.end) load_rows(K_FORMAT, page, next_row, keys);
    next_page = rows_of_keys(pages.page[min(next + SUBGROUPS, part.end - 1) * TILE / kPageTokens], layer_offset,
                             kv_head, K_FORMAT);
    meet_subgroup();
    multiply_keys();
    weigh(first_key, edge, earliest, position);
    meet_subgroup();
    put_rows(V_FORMAT, values, first_key, PIECES, edge, earliest, position);
    if (next < part.end) load_rows(V_FORMAT, page + to_values, next_row, values);
    meet_subgroup();
    multiply_values();
    meet_subgroup();
    tile = next;
  }

  [[unroll]] for (uint i = 0; i < EACH; ++i) {
    [[unroll]] for (uint bit = 1; bit < HEAD_FOURS; bit *= 2) total[i] += subgroupShuffleXor(total[i], bit);
    if (score_head(i) < HEADS && score_four(i) == 0) {
      maxima[gl_SubgroupID * HEADS + score_head(i)] = reference[i] / kLog2e;
      totals[gl_SubgroupID * HEADS + score_head(i)] = total[i];
    }
  }
  [[unroll]] for (uint first = 0; first < FOURS; first += ROUND_FOURS) {
    if (first > 0) barrier();
    [[unroll]] for (uint d = 0; d < ROUND_FOURS * 4 / M; ++d) {
      coopMatStore(sum[first * 4 / M + d], memory, tile_place() + d * (M / 4), ROUND_FOURS,
                   gl_CooperativeMatrixLayoutColumnMajor);
    }
    barrier();
    merge_round(token, first_head, most_heads, 0, first, part, busy);
  }
  merge_parts(token, first_head, most_heads, part.parts);
}
