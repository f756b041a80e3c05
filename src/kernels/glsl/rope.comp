#version 460
// Prepares one layer's attention: normalises (with NORM) and rotates queries and keys, scales queries, and writes
// keys and values to the sequence's KV page as f16.
// qkv (tokens, (heads + 2 kv_heads) * head) f32, rotated queries stay in place. One subgroup a (token, head).
// Groups: (heads + 2 kv_heads, tokens).
#include "common.glsl"
#include "pages.glsl"
layout(local_size_x_id = 0) in;
layout(constant_id = 1) const uint HEAD = 64;
layout(constant_id = 2) const bool NEOX = false;  // see rope.glsl
layout(constant_id = 3) const bool NORM = false;
#include "rope.glsl"

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

  uint64_t row = 0;
  if (!is_query) {
    const uint64_t page = PageTable(tables.slot[entry.slot]).page[entry.position / kPageTokens];
    row = key_rows(page, layer_offset, (head - heads) % kv_heads, HEAD * 2) +
          (entry.position % kPageTokens) * (HEAD * 2) + (is_value ? v_offset : 0);
  }
  for (uint step = gl_SubgroupInvocationID; step < HEAD / 4; step += gl_SubgroupSize) {
    const uvec4 at = step_dimensions(step, is_value, rotary);
    const vec4 value = prepare_step(values, step, at, is_value, factor, weight, rotary);
    if (is_query) {
      qkv.v[base + at.x] = value.x;
      qkv.v[base + at.y] = value.y;
      qkv.v[base + at.z] = value.z;
      qkv.v[base + at.w] = value.w;
    } else {
      const uvec4 words = pack_step(at, value);
      WriteWords(row).v[words.x] = words.y;
      WriteWords(row).v[words.z] = words.w;
    }
  }
}
