#version 460
// Attention of a decode step in one dispatch: queries and the new key are normalised and rotated, the new key and value
// written to the sequence's KV page, and the queries attend to all keys, with an online softmax
// (https://arxiv.org/abs/1805.02867).
// A workgroup serves one token, the HEADS query heads of a chunk of those that share a KV head, and one part of the
// keys. Its subgroups take tiles of keys in turn. In a subgroup LANES lanes share a key, 8 dimensions at a time, so
// that a load of all lanes is one piece of memory; SLOTS keys lie side by side, KEYS loads are under way at once,
// and the next tile's keys are, while values are summed up. The new token is taken from shared memory, by part 0.
// Parts are merged by the workgroup that finishes last, which a counter tells.
//
// qkv (tokens, (heads + 2 kv_heads) * HEAD) f32, not rotated; out (tokens, heads * HEAD) f32, or int8 vectors.
// parts: sums (tokens, heads, SPLITS, HEAD), then maximum and weight (tokens, heads, SPLITS, 2), f32; counters (tokens,
// kv_heads, CHUNKS), zero before and after. Groups: (kv_heads * CHUNKS, tokens, SPLITS).
#include "common.glsl"
#include "pages.glsl"
#include "int8_vector.glsl"
layout(local_size_x_id = 0) in;  // SUBGROUP * SUBGROUPS
layout(constant_id = 1) const uint SUBGROUP = 8;
layout(constant_id = 2) const uint SUBGROUPS = 2;
layout(constant_id = 3) const uint HEAD = 64;     // a multiple of 8, for int8 vectors of 32
layout(constant_id = 4) const bool NEOX = false;  // see rope.glsl
layout(constant_id = 5) const bool NORM = false;
layout(constant_id = 6) const uint HEADS = 3;
layout(constant_id = 7) const uint LANES = 8;  // a power of two
layout(constant_id = 8) const uint KEYS = 4;   // a power of two, at most LANES
layout(constant_id = 9) const uint SPLITS = 1;
layout(constant_id = 10) const uint SHARING = 3;  // query heads that share a KV head
layout(constant_id = 11) const uint K_FORMAT = 0;  // see kv_rows.glsl
layout(constant_id = 12) const uint V_FORMAT = 0;
layout(constant_id = 13) const bool LOCKSTEP = false;
#include "rope.glsl"
#include "kv_rows.glsl"
#include "kv_encode.glsl"
#include "meet_subgroup.glsl"

layout(buffer_reference, std430, buffer_reference_align = 16) coherent buffer PartSums { vec4 v[]; };
layout(buffer_reference, std430, buffer_reference_align = 8) coherent buffer PartWeights { vec2 v[]; };

layout(push_constant) uniform Constants {
  Floats qkv;
  Pairs table;
  Floats query_norm;
  Floats key_norm;
  Batch batch;
  PageTables tables;
  uint64_t result;       // 0: not wanted
  uint64_t result_int8;  // 0: not wanted
  PartSums part_sums;
  PartWeights part_weights;
  WriteWords counters;
  uint kv_heads;
  uint rotated;
  uint layer_offset;
  uint v_offset;
  uint window;  // a query sees this many keys, itself included; 0: all
  float epsilon;
  float query_scale;
};

const uint CHUNKS = (SHARING + HEADS - 1) / HEADS;
const uint PIECES = HEAD / 8;                         // of a row
const uint SLICES = (PIECES + LANES - 1) / LANES;     // pieces of a lane
const uint SLOTS = SUBGROUP / LANES;                  // keys side by side
const uint TILE = SLOTS * KEYS;                       // keys; divides a page
const uint FOURS = HEAD / 4;
const uint FIT = 4096 / (SUBGROUPS * HEAD);           // heads whose sums of all subgroups are 16 KiB
const uint ROUND = FIT > HEADS ? HEADS : FIT > 0 ? FIT : 1;
const float kNever = -1e30;

shared vec4 queries[HEADS * FOURS];
shared uvec4 own_row[2 * PIECES];                     // the new key and value, as load_kv would load them
shared vec4 sums[SUBGROUPS * ROUND * FOURS];
shared float maxima[SUBGROUPS * HEADS];
shared float totals[SUBGROUPS * HEADS];
shared uint finished;

// What a subgroup has seen of its keys: the greatest score, the sum of weights exp(score - maximum) of this lane's
// keys, and the weighted sums of the dimensions of this lane over the keys of its slot.
float maximum[HEADS];
float total[HEADS];
vec4 sum[HEADS][SLICES][2];
// Codes count from 0 on, and their middle is taken off sums, not off each: off scores, the sum of this lane's dimensions
// of each query times it; off sums of values, the sum of weights times it.
float query_middle[HEADS][SLICES];
float value_middle[HEADS][SLICES];

uint query_heads() { return kv_heads * SHARING; }
uint lane_piece() { return gl_SubgroupInvocationID % LANES; }
uint lane_slot() { return gl_SubgroupInvocationID / LANES; }

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

/// The row that the subgroup has put into sums, from `staged` on, as codes of q8_0 or q4_0: into own_row from `first`
/// on, and unless `rows` is 0 to row `row` of those.
void encode_own(uint format, uint staged, uint first, uint64_t rows, uint row) {
  meet_subgroup();
  for (uint from = 0; from < FOURS; from += SUBGROUP) {
    const uint four = from + gl_SubgroupInvocationID;
    const KvCodes codes = encode_kv(format, sums[staged + min(four, FOURS - 1)]);
    if (four >= FOURS) continue;
    const uint at = first + kv_piece_of(format, four);
    if (stores_word(format, four)) own_row[at][kv_word_of_piece(format, four)] = codes.word;
    own_row[at].z = codes.scale | codes.scale << 16;
    if (rows != 0) store_kv(format, rows, row, four, codes);
  }
  meet_subgroup();
}

/// Normalises and rotates the queries into shared memory, with `own` also the new key and value, which go to the page:
/// to the keys at `keys`, unless it is 0, and the values that lie `to_values` behind.
void prepare(uint token, uint first_head, uint most_heads, uint kv_head, uint position, bool own, uint64_t keys,
             uint to_values) {
  Rotary rotary = Rotary(table, rotated, position);
  const uint tasks = HEADS + (own ? 2 : 0);
  for (uint task = gl_SubgroupID; task < tasks; task += SUBGROUPS) {
    const bool is_query = task < HEADS;
    const bool is_value = task == HEADS + 1;
    const uint head = is_query ? first_head + min(task, most_heads - 1)
                               : query_heads() + (is_value ? kv_heads : 0) + kv_head;
    Floats values = Floats(uint64_t(qkv) + 4 * HEAD * (token * (query_heads() + 2 * kv_heads) + head));
    const uint format = is_value ? V_FORMAT : K_FORMAT;
    const uint staged = gl_SubgroupID * ROUND * FOURS;  // sums are not needed yet
    const uint first = is_value ? PIECES : 0;
    const uint64_t rows = keys == 0 ? 0 : keys + (is_value ? to_values : 0);
    const uint row = position % kPageTokens;
    Floats weight = is_query ? query_norm : key_norm;
    const float factor = is_value ? 1 : norm_factor(values, epsilon) * (is_query ? query_scale : 1);
    for (uint step = gl_SubgroupInvocationID; step < FOURS; step += SUBGROUP) {
      const uvec4 at = step_dimensions(step, is_value, rotary);
      const vec4 value = prepare_step(values, step, at, is_value, factor, weight, rotary);
      if (is_query) {
        [[unroll]] for (uint i = 0; i < 4; ++i) queries[task * FOURS + at[i] / 4][at[i] % 4] = value[i];
        continue;
      }
      if (format != kKvF16) {
        [[unroll]] for (uint i = 0; i < 4; ++i) sums[staged + at[i] / 4][at[i] % 4] = value[i];
        continue;
      }
      const uvec4 words = pack_step(at, value);
      own_row[first + words.x / 4][words.x % 4] = words.y;
      own_row[first + words.z / 4][words.z % 4] = words.w;
      if (rows != 0) {
        const uint64_t to = rows + row * kv_row_bytes(kKvF16);
        WriteWords(to).v[words.x] = words.y;
        WriteWords(to).v[words.z] = words.w;
      }
    }
    if (!is_query && format != kKvF16) encode_own(format, staged, first, rows, row);
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

/// Four dimensions of a head's result. Called by whole subgroups, neighbouring lanes with neighbouring dimensions.
void store(uint token, uint head, uint four, vec4 value, bool wanted) {
  if (result != 0 && wanted) WriteFloats4(result).v[(token * query_heads() + head) * FOURS + four] = value;
  if (HEAD % 32 == 0 && result_int8 != 0) {
    const uint units = query_heads() * (HEAD / 32);
    store_int8_unit(result_int8 + token * int8_vector_bytes(units), units, (head * FOURS + four) / 8, value, wanted);
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

  // Keys in memory: from `earliest` to before `position`. A part has at least a tile for each subgroup.
  const uint earliest = window == 0 || position < window ? 0 : position - window + 1;
  const uint first_tile = earliest / TILE;
  const uint tiles = position > earliest ? (position - 1) / TILE + 1 - first_tile : 0;
  const uint share = max((tiles + SPLITS - 1) / SPLITS, SUBGROUPS);
  const uint parts = SPLITS == 1 ? 1 : max((tiles + share - 1) / share, 1);
  const uint part = gl_WorkGroupID.z;
  if (part >= parts) return;
  const uint begin = first_tile + part * share;
  const uint end = first_tile + min((part + 1) * share, tiles);
  const bool has_own = part == 0;
  const uint own_turn = (end - begin) % SUBGROUPS;
  const uint busy = min(end - begin + (has_own ? 1 : 0), SUBGROUPS);

  uint tile = begin + gl_SubgroupID;
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
  const uint lane = gl_SubgroupInvocationID;
  [[unroll]] for (uint first = 0; first < HEADS; first += ROUND) {
    if (first > 0) barrier();
    [[unroll]] for (uint q = first; q < first + ROUND && q < HEADS; ++q) {
      if (gl_SubgroupID >= busy || q % SLOTS != lane_slot()) continue;
      [[unroll]] for (uint j = 0; j < SLICES; ++j) {
        const uint at = (gl_SubgroupID * ROUND + q - first) * FOURS;
        [[unroll]] for (uint i = 0; i < 2; ++i) {
          if (in_row(j)) sums[at + kv_four(V_FORMAT, piece(j), i)] = sum[q][j][i];
        }
      }
    }
    barrier();
    for (uint from = gl_SubgroupID * SUBGROUP; from < ROUND * FOURS; from += SUBGROUPS * SUBGROUP) {
      const uint at = min(from + lane, ROUND * FOURS - 1);
      const uint q = min(first + at / FOURS, HEADS - 1);
      const bool wanted = from + lane < ROUND * FOURS && first + at / FOURS < most_heads;
      float greatest = kNever;
      for (uint s = 0; s < busy; ++s) greatest = max(greatest, maxima[s * HEADS + q]);
      float weight = 0;
      vec4 value = vec4(0);
      for (uint s = 0; s < busy; ++s) {
        const float shrink = exp(maxima[s * HEADS + q] - greatest);
        weight += shrink * totals[s * HEADS + q];
        value += shrink * sums[s * ROUND * FOURS + at];
      }
      if (parts == 1) {
        store(token, first_head + q, at % FOURS, value / weight, wanted);
      } else if (wanted) {
        const uint row = (token * query_heads() + first_head + q) * SPLITS + part;
        part_sums.v[row * FOURS + at % FOURS] = value;
        if (at % FOURS == 0) part_weights.v[row] = vec2(greatest, weight);
      }
    }
  }
  if (SPLITS == 1 || parts == 1) return;

  // The last part of them merges all.
  memoryBarrierBuffer();
  barrier();
  const uint counter = token * kv_heads * CHUNKS + gl_WorkGroupID.x;
  if (gl_LocalInvocationIndex == 0) finished = atomicAdd(counters.v[counter], 1) + 1;
  barrier();
  if (finished != parts) return;
  memoryBarrierBuffer();
  if (gl_LocalInvocationIndex == 0) counters.v[counter] = 0;
  for (uint from = gl_SubgroupID * SUBGROUP; from < HEADS * FOURS; from += SUBGROUPS * SUBGROUP) {
    const uint at = min(from + lane, HEADS * FOURS - 1);
    const uint head = first_head + min(at / FOURS, most_heads - 1);
    const bool wanted = from + lane < HEADS * FOURS && at / FOURS < most_heads;
    const uint row = (token * query_heads() + head) * SPLITS;
    float greatest = kNever;
    float weight = 0;
    vec4 value = vec4(0);
    const uint kAtOnce = 8;  // loads under way
    for (uint p = 0; p < parts; p += kAtOnce) {
      vec2 weights[kAtOnce];
      vec4 values[kAtOnce];
      [[unroll]] for (uint i = 0; i < kAtOnce; ++i) {
        weights[i] = part_weights.v[row + min(p + i, parts - 1)];
        values[i] = part_sums.v[(row + min(p + i, parts - 1)) * FOURS + at % FOURS];
      }
      float larger = greatest;
      [[unroll]] for (uint i = 0; i < kAtOnce; ++i) larger = max(larger, weights[i].x);
      const float earlier = exp(greatest - larger);
      greatest = larger;
      weight *= earlier;
      value *= earlier;
      [[unroll]] for (uint i = 0; i < kAtOnce; ++i) {
        const float shrink = p + i < parts ? exp(weights[i].x - larger) : 0;
        weight += shrink * weights[i].y;
        value += shrink * values[i];
      }
    }
    store(token, head, at % FOURS, value / weight, wanted);
  }
}
