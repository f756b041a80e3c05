#version 460
// Attention of a decode step in one dispatch: queries and the new key are normalised and rotated, the new key and value
// written to the sequence's KV page, and the queries attend to all keys, with an online softmax
// (https://arxiv.org/abs/1805.02867).
// A workgroup serves one token, the HEADS query heads of a chunk of those that share a KV head, and one part of the
// keys. Its subgroups take tiles of keys in turn. In a subgroup LANES lanes share a key, 8 dimensions at a time, so
// that a load of all lanes is one piece of memory; SLOTS keys lie side by side, KEYS loads are under way at once,
// and the next tile's keys are, while values are summed up. The new token is taken from shared memory, by part 0.
// Parts are merged by the workgroup that finishes last.
#include "decode_attention_inputs.glsl"
layout(constant_id = 12) const uint LANES = 8;  // a power of two
layout(constant_id = 13) const uint KEYS = 4;   // a power of two, at most LANES

const uint SLICES = (PIECES + LANES - 1) / LANES;     // pieces of a lane
const uint SLOTS = SUBGROUP / LANES;                  // keys side by side
const uint TILE = SLOTS * KEYS;                       // keys; divides a page
const uint FIT = 4096 / (SUBGROUPS * HEAD);           // heads whose sums of all subgroups are 16 KiB
const uint ROUND_HEADS = FIT > HEADS ? HEADS : FIT > 0 ? FIT : 1;
const uint ROUND_FOURS = FOURS;
const uint SHARE = ROUND_HEADS * FOURS;
const uint MERGED_AT_ONCE = 8;
#include "decode_attention_shared.glsl"

shared vec4 queries[HEADS * FOURS];

// What a subgroup has seen of its keys: the greatest score, the sum of weights exp(score - maximum) of this lane's
// keys, and the weighted sums of the dimensions of this lane over the keys of its slot.
float maximum[HEADS];
float total[HEADS];
vec4 sum[HEADS][SLICES][2];
// Codes count from 0 on, and their middle is taken off sums, not off each: off scores, the sum of this lane's dimensions
// of each query times it; off sums of values, the sum of weights times it.
float query_middle[HEADS][SLICES];
float value_middle[HEADS][SLICES];

uint lane_piece() { return gl_SubgroupInvocationID % LANES; }
uint lane_slot() { return gl_SubgroupInvocationID / LANES; }

vec4 load_sums(uint at) { return uintBitsToFloat(memory[at]); }

void put_query(uint query, uvec4 at, vec4 value) {
  [[unroll]] for (uint i = 0; i < 4; ++i) queries[query * FOURS + at[i] / 4][at[i] % 4] = value[i];
}

/// The piece of a row that is this lane's slice `j`. Lanes beyond the row repeat its last piece, for nothing.
uint piece(uint j) {
  const uint at = j * LANES + lane_piece();
  return PIECES % LANES == 0 ? at : min(at, PIECES - 1);
}
bool in_row(uint j) { return PIECES % LANES == 0 || j * LANES + lane_piece() < PIECES; }

/// This lane's slices of KEYS rows of a page, from `first_row` on.
void load_rows(uint format, uint64_t rows, uint first_row, out uvec4 row[KEYS][SLICES]) {
  [[unroll]] for (uint j = 0; j < SLICES; ++j) {
    const KvPlace place = kv_place(format, rows, first_row + lane_slot(), piece(j));
    [[unroll]] for (uint u = 0; u < KEYS; ++u) row[u][j] = load_kv(format, place, u * SLOTS);
  }
}

vec4 query(uint q, uint j, uint part) {
  return in_row(j) ? queries[q * FOURS + kv_four(K_FORMAT, piece(j), part)] : vec4(0);
}

float add_product(float to, vec4 a, vec4 b) {
  return fma(a.w, b.w, fma(a.z, b.z, fma(a.y, b.y, fma(a.x, b.x, to))));
}

/// This lane's part of the scores of a key's slices. `row`: of the key in its page.
void add_scores(uvec4 key[SLICES], uint row, inout float score[HEADS]) {
  [[unroll]] for (uint j = 0; j < SLICES; ++j) {
    vec4 low, high;
    unpack_kv(K_FORMAT, key[j], low, high);
    const float scale = kv_scale(K_FORMAT, key[j], kv_scale_index(row, piece(j)));
    [[unroll]] for (uint q = 0; q < HEADS; ++q) {
      if (K_FORMAT == kKvF16) {
        score[q] = add_product(add_product(score[q], query(q, j, 0), low), query(q, j, 1), high);
      } else {
        score[q] = fma(scale, add_product(add_product(-query_middle[q][j], query(q, j, 0), low), query(q, j, 1), high),
                       score[q]);
      }
    }
  }
}

void add_value(uvec4 value[SLICES], uint row, float weight[HEADS]) {
  [[unroll]] for (uint j = 0; j < SLICES; ++j) {
    vec4 low, high;
    unpack_kv(V_FORMAT, value[j], low, high);
    const float scale = kv_scale(V_FORMAT, value[j], kv_scale_index(row, piece(j)));
    [[unroll]] for (uint q = 0; q < HEADS; ++q) {
      const float scaled = V_FORMAT == kKvF16 ? weight[q] : weight[q] * scale;
      sum[q][j][0] = fma(vec4(scaled), low, sum[q][j][0]);
      sum[q][j][1] = fma(vec4(scaled), high, sum[q][j][1]);
      if (V_FORMAT != kKvF16) value_middle[q][j] += scaled;
    }
  }
}

/// Begins with the new token's key and value.
void begin_with_own(uint position) {
  const uint number = position % kPageTokens;
  uvec4 row[SLICES];
  [[unroll]] for (uint j = 0; j < SLICES; ++j) row[j] = own_row[piece(j)];
  float score[HEADS];
  [[unroll]] for (uint q = 0; q < HEADS; ++q) score[q] = 0;
  add_scores(row, number, score);
  float weight[HEADS];
  [[unroll]] for (uint q = 0; q < HEADS; ++q) {
    [[unroll]] for (uint bit = 1; bit < LANES; bit *= 2) score[q] += subgroupShuffleXor(score[q], bit);
    maximum[q] = score[q];
    total[q] = gl_SubgroupInvocationID == 0 ? 1 : 0;
    weight[q] = lane_slot() == 0 ? 1 : 0;
  }
  [[unroll]] for (uint j = 0; j < SLICES; ++j) row[j] = own_row[PIECES + piece(j)];
  add_value(row, number, weight);
}

/// From this lane's parts of a tile's scores, the weights of the lane's key among KEYS: number lane_piece() % KEYS.
void weigh(float score[KEYS][HEADS], uint first_key, uint earliest, uint position, out float weight[HEADS]) {
  // Lanes that share keys exchange halves of their parts, until each has one key's sums.
  [[unroll]] for (uint bit = KEYS / 2; bit > 0; bit /= 2) {
    const bool upper = (gl_SubgroupInvocationID & bit) != 0;
    [[unroll]] for (uint u = 0; u < bit; ++u) {
      [[unroll]] for (uint q = 0; q < HEADS; ++q) {
        const float given = upper ? score[u][q] : score[u + bit][q];
        score[u][q] = (upper ? score[u + bit][q] : score[u][q]) + subgroupShuffleXor(given, bit);
      }
    }
  }
  [[unroll]] for (uint bit = KEYS; bit < LANES; bit *= 2) {
    [[unroll]] for (uint q = 0; q < HEADS; ++q) score[0][q] += subgroupShuffleXor(score[0][q], bit);
  }

  const uint number = first_key + lane_piece() % KEYS * SLOTS + lane_slot();
  const bool seen = number >= earliest && number < position;
  bool above = false;
  [[unroll]] for (uint q = 0; q < HEADS; ++q) {
    if (!seen) score[0][q] = kNever;
    above = above || score[0][q] > maximum[q];
  }
  // Maxima settle after a few tiles.
  if (subgroupBallot(above) != uvec4(0)) {
    [[unroll]] for (uint q = 0; q < HEADS; ++q) {
      const float larger = max(maximum[q], subgroupMax(score[0][q]));
      const float shrink = exp(maximum[q] - larger);
      maximum[q] = larger;
      total[q] *= shrink;
      [[unroll]] for (uint j = 0; j < SLICES; ++j) {
        sum[q][j][0] *= shrink;
        sum[q][j][1] *= shrink;
        value_middle[q][j] *= shrink;
      }
    }
  }
  [[unroll]] for (uint q = 0; q < HEADS; ++q) {
    weight[q] = seen ? exp(score[0][q] - maximum[q]) : 0;
    total[q] += weight[q];
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

  // Keys in memory: from `earliest` to before `position`.
  const uint earliest = window == 0 || position < window ? 0 : position - window + 1;
  const Part part = own_part(earliest, position);
  if (part.number >= part.parts) return;
  const uint end = part.end;
  const bool has_own = part.number == 0;
  const uint own_turn = (end - part.begin) % SUBGROUPS;
  const uint busy = min(end - part.begin + (has_own ? 1 : 0), SUBGROUPS);

  uint tile = part.begin + gl_SubgroupID;
  uint64_t page = 0;
  uint64_t next_page = 0;
  if (tile < end) {
    page = rows_of_keys(pages.page[tile * TILE / kPageTokens], layer_offset, kv_head, K_FORMAT);
    next_page = rows_of_keys(pages.page[min(tile + SUBGROUPS, end - 1) * TILE / kPageTokens], layer_offset, kv_head,
                             K_FORMAT);
  }
  const uint to_values = values_from_keys(v_offset, kv_head, K_FORMAT, V_FORMAT);
  uint64_t own_page = 0;
  if (has_own && first_in_group == 0) {
    own_page = rows_of_keys(pages.page[position / kPageTokens], layer_offset, kv_head, K_FORMAT);
  }
  prepare(token, first_head, most_heads, kv_head, position, has_own, own_page, to_values);
  uvec4 keys[KEYS][SLICES];
  if (tile < end) load_rows(K_FORMAT, page, tile * TILE % kPageTokens, keys);
  barrier();

  [[unroll]] for (uint q = 0; q < HEADS; ++q) {
    maximum[q] = kNever;
    total[q] = 0;
    [[unroll]] for (uint j = 0; j < SLICES; ++j) {
      sum[q][j] = vec4[2](vec4(0), vec4(0));
      const vec4 both = query(q, j, 0) + query(q, j, 1);
      query_middle[q][j] = kv_middle(K_FORMAT) * (both.x + both.y + both.z + both.w);
      value_middle[q][j] = 0;
    }
  }
  if (has_own && gl_SubgroupID == own_turn) begin_with_own(position);

  while (tile < end) {
    const uint first_key = tile * TILE;
    const uint next = tile + SUBGROUPS;
    uvec4 values[KEYS][SLICES];
    const uint first_row = first_key % kPageTokens;
    load_rows(V_FORMAT, page + to_values, first_row, values);
    const uint64_t later_page = rows_of_keys(pages.page[min(next + SUBGROUPS, end - 1) * TILE / kPageTokens],
                                             layer_offset, kv_head, K_FORMAT);
    float score[KEYS][HEADS];
    [[unroll]] for (uint u = 0; u < KEYS; ++u) {
      [[unroll]] for (uint q = 0; q < HEADS; ++q) score[u][q] = 0;
      add_scores(keys[u], first_row + u * SLOTS + lane_slot(), score[u]);
    }
    if (next < end) load_rows(K_FORMAT, next_page, next * TILE % kPageTokens, keys);
    float lane_weight[HEADS];
    weigh(score, first_key, earliest, position, lane_weight);

    // Rows not written yet may hold anything, NaN too: they must not meet a weight of zero.
    if (first_key < earliest || first_key + TILE > position) {
      [[unroll]] for (uint u = 0; u < KEYS; ++u) {
        const uint key = first_key + u * SLOTS + lane_slot();
        if (key < earliest || key >= position) {
          [[unroll]] for (uint j = 0; j < SLICES; ++j) values[u][j] = uvec4(0);  // scales too
        }
      }
    }
    [[unroll]] for (uint u = 0; u < KEYS; ++u) {
      const uint from = (gl_SubgroupInvocationID & ~(LANES - 1)) | u;
      float weight[HEADS];
      [[unroll]] for (uint q = 0; q < HEADS; ++q) weight[q] = subgroupShuffle(lane_weight[q], from);
      add_value(values[u], first_row + u * SLOTS + lane_slot(), weight);
    }
    tile = next;
    page = next_page;
    next_page = later_page;
  }

  // The subgroups' sums.
  if (gl_SubgroupID < busy) {
    [[unroll]] for (uint q = 0; q < HEADS; ++q) {
      [[unroll]] for (uint j = 0; j < SLICES; ++j) {
        if (V_FORMAT == kKvF16) continue;
        const float middle = kv_middle(V_FORMAT) * value_middle[q][j];
        [[unroll]] for (uint i = 0; i < 2; ++i) sum[q][j][i] -= middle;
      }
      [[unroll]] for (uint bit = LANES; bit < SUBGROUP; bit *= 2) {
        [[unroll]] for (uint j = 0; j < SLICES; ++j) {
          [[unroll]] for (uint i = 0; i < 2; ++i) sum[q][j][i] += subgroupShuffleXor(sum[q][j][i], bit);
        }
      }
      const float all = subgroupAdd(lane_piece() < KEYS ? total[q] : 0);
      if (gl_SubgroupInvocationID == 0) {
        maxima[gl_SubgroupID * HEADS + q] = maximum[q];
        totals[gl_SubgroupID * HEADS + q] = all;
      }
    }
  }
  [[unroll]] for (uint first = 0; first < HEADS; first += ROUND_HEADS) {
    if (first > 0) barrier();
    [[unroll]] for (uint q = first; q < first + ROUND_HEADS && q < HEADS; ++q) {
      if (gl_SubgroupID >= busy || q % SLOTS != lane_slot()) continue;
      [[unroll]] for (uint j = 0; j < SLICES; ++j) {
        const uint at = gl_SubgroupID * SHARE + (q - first) * FOURS;
        [[unroll]] for (uint i = 0; i < 2; ++i) {
          if (in_row(j)) memory[at + kv_four(V_FORMAT, piece(j), i)] = floatBitsToUint(sum[q][j][i]);
        }
      }
    }
    barrier();
    merge_round(token, first_head, most_heads, first, 0, part, busy);
  }
  merge_parts(token, first_head, most_heads, part.parts);
}
