// What the two kernels of attention as an operation of its own share: constants, which queries and keys are whose, and results.
// Queries of a batch that share a KV head are rows: SHARING heads of the first token, then of the next, ... So keys and
// values are read once for all of them. A workgroup takes a block of rows and, with SPLIT, a part of the keys.
// qkv (tokens, (kv_heads * SHARING + 2 kv_heads) * HEAD) f32, queries scaled and rotated; result (tokens, kv_heads *
// SHARING * HEAD) f32 or f16; parts (tokens, heads, splits, HEAD + 2) f32: sums, then maximum and weight, for
// attention_merge. Groups: (kv_heads, blocks, splits).
layout(local_size_x_id = 0) in;
layout(constant_id = 1) const uint SUBGROUP = 8;
layout(constant_id = 2) const uint HEAD = 64;
layout(constant_id = 3) const uint SHARING = 3;      // query heads that share a KV head
layout(constant_id = 4) const bool SPLIT = false;  // there may be several parts
layout(constant_id = 5) const bool HALF_OUT = false;
layout(constant_id = 6) const uint K_FORMAT = 0;
layout(constant_id = 7) const uint V_FORMAT = 0;
layout(constant_id = 8) const bool LOCKSTEP = false;
#include "pages.glsl"
#include "kv_rows.glsl"
#include "meet_subgroup.glsl"

layout(push_constant) uniform Constants {
  uint64_t qkv;
  uint64_t result;
  WriteFloats parts;
  Batch batch;
  PageTables tables;
  uint kv_heads;
  uint layer_offset;
  uint v_offset;
  uint window;  // a query sees this many keys, itself included; 0: all
};

const uint PIECES = HEAD / 8;  // of a row of keys or values: see kv_rows.glsl

uint query_heads() { return kv_heads * SHARING; }
uint kv_head() { return gl_WorkGroupID.x; }
/// Not a constant: a kernel for each number would be compiled when a prompt grows to it.
uint splits() { return SPLIT ? gl_NumWorkGroups.z : 1; }

/// Blocks with the most keys first, so that the last to run are short.
uint block_number() { return gl_NumWorkGroups.y - 1 - gl_WorkGroupID.y; }
uint rows_in_batch() { return batch.tokens * SHARING; }
uint position_of(uint row) { return batch.entries[row / SHARING].position; }

/// Number of a row's query among all queries of the batch.
uint query_number(uint row) { return row / SHARING * query_heads() + kv_head() * SHARING + row % SHARING; }
/// A row's query in qkv.
uint64_t query_address(uint row) {
  const uint head = row / SHARING * (query_heads() + 2 * kv_heads) + kv_head() * SHARING + row % SHARING;
  return qkv + uint64_t(head) * (4 * HEAD);
}

uint first_seen(uint position) { return window == 0 || position < window ? 0 : position - window + 1; }
bool sees(uint position, uint key) { return key <= position && (window == 0 || key + window > position); }

/// Tiles of `keys` keys, from x to before y, of this workgroup's part of those that positions `first` to `last` see.
uvec2 tiles_of_part(uint first, uint last, uint keys) {
  const uint first_tile = first_seen(first) / keys;
  const uint tiles = last / keys + 1 - first_tile;
  const uint share = (tiles + splits() - 1) / splits();
  const uint begin = min(gl_WorkGroupID.z * share, tiles);
  return first_tile + uvec2(begin, min(begin + share, tiles));
}

/// The rows of this head's keys in the page of a tile.
uint64_t tile_rows(PageTable pages, uint first_key) {
  return rows_of_keys(pages.page[first_key / kPageTokens], layer_offset, kv_head(), K_FORMAT);
}

/// Stores four neighbouring numbers of a row: of its result, or of its part of the sums.
void store_four(uint row, uint four, vec4 value) {
  const uint query = query_number(row);
  if (SPLIT) {
    const uint at = (query * splits() + gl_WorkGroupID.z) * (HEAD + 2) + 4 * four;
    [[unroll]] for (uint i = 0; i < 4; ++i) parts.v[at + i] = value[i];
  } else if (HALF_OUT) {
    WriteWords2(result).v[query * (HEAD / 4) + four] = uvec2(packHalf2x16(value.xy), packHalf2x16(value.zw));
  } else {
    WriteFloats4(result).v[query * (HEAD / 4) + four] = value;
  }
}

void store_part_weight(uint row, float maximum, float weight) {
  const uint at = (query_number(row) * splits() + gl_WorkGroupID.z) * (HEAD + 2) + HEAD;
  parts.v[at] = maximum;
  parts.v[at + 1] = weight;
}
