#version 460
// Prepares one layer's attention: normalises (with NORM) and rotates queries and keys, scales queries, and writes
// keys and values to the sequence's KV page, in the formats of kv_rows.glsl.
// qkv (tokens, (heads + 2 kv_heads) * head) f32, rotated queries stay in place. One subgroup a (token, head).
// Groups: (heads + 2 kv_heads, tokens).
#include "common.glsl"
#include "pages.glsl"
layout(local_size_x_id = 0) in;
layout(constant_id = 1) const uint HEAD = 64;
layout(constant_id = 2) const bool NEOX = false;  // see rope.glsl
layout(constant_id = 3) const bool NORM = false;
layout(constant_id = 4) const uint K_FORMAT = 0;  // see kv_rows.glsl
layout(constant_id = 5) const uint V_FORMAT = 0;
#include "rope.glsl"
#include "kv_rows.glsl"
#include "int8_vector.glsl"
#include "kv_encode.glsl"

layout(push_constant) uniform Constants {
  WriteFloats qkv;
  Pairs table;
  Floats query_norm;
  Floats key_norm;
  Batch batch;
  PageTables tables;
  uint heads;
  uint kv_heads;
  uint rotated;       // see rope.glsl
  uint layer_offset;  // bytes into a page
  uint v_offset;      // bytes from K to V in a layer's part of a page
  float epsilon;
  float query_scale;
};

// A row on its way into blocks: a step's dimensions may be those of two.
const bool ALL_F16 = K_FORMAT == kKvF16 && V_FORMAT == kKvF16;
shared vec4 staged[ALL_F16 ? 1 : HEAD / 4];

void main() {
  const uint t = gl_WorkGroupID.y;
  const uint head = gl_WorkGroupID.x;
  if (t >= batch.tokens) return;
  const Entry entry = batch.entries[t];
  Rotary rotary = Rotary(table, rotated, entry.position);
  const uint base = (t * (heads + 2 * kv_heads) + head) * HEAD;
  Floats values = Floats(uint64_t(qkv) + 4 * base);
  const bool is_query = head < heads;
  const bool is_value = head >= heads + kv_heads;
  const float factor = is_value ? 1 : norm_factor(values, epsilon) * (is_query ? query_scale : 1);
  Floats weight = is_query ? query_norm : key_norm;

  const uint format = is_value ? V_FORMAT : K_FORMAT;
  uint64_t rows = 0;
  const uint row = entry.position % kPageTokens;
  if (!is_query) {
    const uint kv_head = (head - heads) % kv_heads;
    const uint64_t page = PageTable(tables.slot[entry.slot]).page[entry.position / kPageTokens];
    rows = rows_of_keys(page, layer_offset, kv_head, K_FORMAT);
    if (is_value) rows += values_from_keys(v_offset, kv_head, K_FORMAT, V_FORMAT);
  }
  for (uint step = gl_SubgroupInvocationID; step < HEAD / 4; step += gl_SubgroupSize) {
    const uvec4 at = step_dimensions(step, is_value, rotary);
    const vec4 value = prepare_step(values, step, at, is_value, factor, weight, rotary);
    if (is_query) {
      qkv.v[base + at.x] = value.x;
      qkv.v[base + at.y] = value.y;
      qkv.v[base + at.z] = value.z;
      qkv.v[base + at.w] = value.w;
    } else if (format == kKvF16) {
      const uvec4 words = pack_step(at, value);
      const uint64_t to = rows + row * kv_row_bytes(kKvF16);
      WriteWords(to).v[words.x] = words.y;
      WriteWords(to).v[words.z] = words.w;
    } else {
      [[unroll]] for (uint i = 0; i < 4; ++i) staged[at[i] / 4][at[i] % 4] = value[i];
    }
  }
  if (ALL_F16 || is_query || format == kKvF16) return;
  barrier();
  for (uint from = 0; from < HEAD / 4; from += gl_SubgroupSize) {
    const uint four = from + gl_SubgroupInvocationID;
    const KvCodes codes = encode_kv(format, staged[min(four, HEAD / 4 - 1)]);
    if (four < HEAD / 4) store_kv(format, rows, row, four, codes);
  }
}
