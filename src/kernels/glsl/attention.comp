#version 460
// Attention of queries over the KV pages of their sequence, causal, with an online softmax
// (https://arxiv.org/abs/1805.02867), so that no row of scores is ever stored.
// One subgroup serves QUERIES queries that share a KV head: HEADS heads of each of QUERIES / HEADS neighbouring
// tokens of one sequence. Scores: a lane owns a key. Values: a lane owns dimensions.
// With SPLITS > 1 the keys are shared out, and parts are merged by attention_merge.
// qkv (tokens, (heads + 2 kv_heads) * HEAD) f32, queries scaled and rotated; out (tokens, heads * HEAD) f32;
// parts (tokens, heads, SPLITS, HEAD + 2) f32: sums, then maximum and weight.
// Groups: (heads / HEADS, ceil(tokens / (QUERIES / HEADS)), SPLITS).
#include "common.glsl"
#include "pages.glsl"
layout(local_size_x_id = 0) in;
layout(constant_id = 1) const uint SUBGROUP = 8;
layout(constant_id = 2) const uint HEAD = 64;
layout(constant_id = 3) const uint HEADS = 3;    // heads of one token in a group; divides heads / kv_heads
layout(constant_id = 4) const uint QUERIES = 3;  // HEADS times the tokens in a group
layout(constant_id = 5) const uint SPLITS = 1;
layout(constant_id = 6) const uint K_FORMAT = 0;  // see kv_rows.glsl
layout(constant_id = 7) const uint V_FORMAT = 0;
#include "kv_rows.glsl"

layout(push_constant) uniform Constants {
  Floats qkv;
  WriteFloats result;
  WriteFloats parts;
  Batch batch;
  PageTables tables;
  uint heads;
  uint kv_heads;
  uint layer_offset;
  uint v_offset;
  uint window;  // a query sees this many keys, itself included; 0: all
};

const uint TOKENS = QUERIES / HEADS;
const uint SLICE = (HEAD + SUBGROUP - 1) / SUBGROUP;            // of a query: dimension i * SUBGROUP + lane
const uint WORDS = (HEAD / 2 + SUBGROUP - 1) / SUBGROUP;        // of a value row: pairs of dimensions
const float kNever = -1e30;

void main() {
  const uint lane = gl_SubgroupInvocationID;
  const uint first_head = gl_WorkGroupID.x * HEADS;
  const uint kv_head = first_head / (heads / kv_heads);
  const uint first_token = gl_WorkGroupID.y * TOKENS;
  const uint tokens = batch.tokens;
  if (first_token >= tokens) return;
  const uint slot = batch.entries[first_token].slot;

  float query[QUERIES][SLICE];
  uint position[TOKENS];
  uint last = 0;
  uint earliest = 0xFFFFFFFFu;
  [[unroll]] for (uint t = 0; t < TOKENS; ++t) {
    const uint token = min(first_token + t, tokens - 1);
    position[t] = batch.entries[token].position;
    last = max(last, position[t]);
    earliest = min(earliest, window == 0 || position[t] < window ? 0 : position[t] - window + 1);
    [[unroll]] for (uint h = 0; h < HEADS; ++h) {
      const uint base = (token * (heads + 2 * kv_heads) + first_head + h) * HEAD;
      [[unroll]] for (uint i = 0; i < SLICE; ++i) {
        const uint d = i * SUBGROUP + lane;
        query[t * HEADS + h][i] = d < HEAD ? qkv.v[base + d] : 0;
      }
    }
  }

  float maximum[QUERIES];
  float weight[QUERIES];
  vec2 sums[QUERIES][WORDS];
  [[unroll]] for (uint q = 0; q < QUERIES; ++q) {
    maximum[q] = kNever;
    weight[q] = 0;
    [[unroll]] for (uint i = 0; i < WORDS; ++i) sums[q][i] = vec2(0);
  }

  // The keys of this split: whole tiles of SUBGROUP keys, which never straddle a page.
  const uint first_tile = earliest / SUBGROUP;
  const uint tiles = last / SUBGROUP + 1 - first_tile;
  const uint share = (tiles + SPLITS - 1) / SPLITS;
  const uint begin = first_tile + gl_WorkGroupID.z * share;
  const uint end = min(begin + share, first_tile + tiles);
  PageTable table = PageTable(tables.slot[slot]);
  for (uint tile = begin; tile < end; ++tile) {
    const uint first_key = tile * SUBGROUP;
    const uint key = first_key + lane;
    const uint64_t rows = rows_of_keys(table.page[first_key / kPageTokens], layer_offset, kv_head, K_FORMAT);
    const uint row = key % kPageTokens;
    float score[QUERIES];
    [[unroll]] for (uint q = 0; q < QUERIES; ++q) score[q] = 0;
    if (first_key <= last) {
      [[unroll]] for (uint piece = 0; piece < HEAD / 8; ++piece) {
        // Keys past the last are read (their page exists) and masked below.
        vec4 fours[2];
        dequantize_kv(K_FORMAT, load_kv(K_FORMAT, kv_place(K_FORMAT, rows, row, piece), 0), kv_scale_index(row, piece),
                      fours[0], fours[1]);
        [[unroll]] for (uint part = 0; part < 2; ++part) {
          [[unroll]] for (uint e = 0; e < 4; ++e) {
            const uint d = 4 * kv_four(K_FORMAT, piece, part) + e;
            [[unroll]] for (uint q = 0; q < QUERIES; ++q) {
              score[q] = fma(subgroupBroadcast(query[q][d / SUBGROUP], d % SUBGROUP), fours[part][e], score[q]);
            }
          }
        }
      }
    }
    [[unroll]] for (uint q = 0; q < QUERIES; ++q) {
      const uint p = position[q / HEADS];
      const bool seen = key <= p && (window == 0 || key + window > p);
      const float masked = seen ? score[q] : kNever;
      const float larger = max(maximum[q], subgroupMax(masked));
      const float shrink = exp(maximum[q] - larger);
      score[q] = seen ? exp(masked - larger) : 0;
      weight[q] = weight[q] * shrink + subgroupAdd(score[q]);
      maximum[q] = larger;
      [[unroll]] for (uint i = 0; i < WORDS; ++i) sums[q][i] *= shrink;
    }
    const uint64_t values = rows + values_from_keys(v_offset, kv_head, K_FORMAT, V_FORMAT);
    [[unroll]] for (uint j = 0; j < SUBGROUP; ++j) {
      [[unroll]] for (uint i = 0; i < WORDS; ++i) {
        const uint word = i * SUBGROUP + lane;
        // Rows not written yet may hold anything, NaN too: they must not meet a weight of zero.
        const bool written = first_key + j <= last && word < HEAD / 2;
        const vec2 pair = written ? load_kv_pair(V_FORMAT, values, first_key % kPageTokens + j, word) : vec2(0);
        [[unroll]] for (uint q = 0; q < QUERIES; ++q) {
          sums[q][i] += subgroupBroadcast(score[q], j) * pair;
        }
      }
    }
  }

  [[unroll]] for (uint q = 0; q < QUERIES; ++q) {
    const uint token = first_token + q / HEADS;
    const uint head = first_head + q % HEADS;
    if (token >= tokens) continue;
    const uint base = SPLITS > 1 ? ((token * heads + head) * SPLITS + gl_WorkGroupID.z) * (HEAD + 2)
                                 : (token * heads + head) * HEAD;
    [[unroll]] for (uint i = 0; i < WORDS; ++i) {
      const uint word = i * SUBGROUP + lane;
      if (word >= HEAD / 2) continue;
      if (SPLITS > 1) {
        parts.v[base + 2 * word] = sums[q][i].x;
        parts.v[base + 2 * word + 1] = sums[q][i].y;
      } else {
        result.v[base + 2 * word] = sums[q][i].x / weight[q];
        result.v[base + 2 * word + 1] = sums[q][i].y / weight[q];
      }
    }
    if (SPLITS > 1 && lane == 0) {
      parts.v[base + HEAD] = maximum[q];
      parts.v[base + HEAD + 1] = weight[q];
    }
  }
}
