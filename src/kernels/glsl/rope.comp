#version 460
// Prepares one layer's attention: normalises (with NORM) and rotates queries and keys, scales queries, and writes
// keys and values to the sequence's KV page as f16.
// qkv (tokens, (heads + 2 kv_heads) * head) f32, rotated queries stay in place. One subgroup a (token, head).
// Groups: (heads + 2 kv_heads, tokens).
// Rotary embedding: https://arxiv.org/abs/2104.09864. Angles are not computed here: cos and sin of position * f come
// from those of its multiple of 256 and of the rest, two tables that the host made in double precision, so that every
// device rotates alike at any position. table: (coarse rows, head / 2) pairs, after 256 fine rows of the same.
#include "common.glsl"
#include "pages.glsl"
layout(local_size_x_id = 0) in;
layout(constant_id = 1) const uint HEAD = 64;
layout(constant_id = 2) const bool NEOX = false;  // pairs (i, i + rotated / 2) instead of (2i, 2i + 1)
layout(constant_id = 3) const bool NORM = false;  // RMS norm of every query and key head

layout(buffer_reference, std430, buffer_reference_align = 8) readonly buffer Pairs { vec2 v[]; };

layout(push_constant) uniform Constants {
  WriteFloats qkv;
  Pairs table;
  Floats query_norm;
  Floats key_norm;
  Batch batch;
  PageTables tables;
  uint heads;
  uint kv_heads;
  uint rotated;       // how many dimensions of a head are rotated
  uint layer_offset;  // bytes into a page
  uint v_offset;      // bytes from K to V in a layer's part of a page
  float epsilon;
  float query_scale;
};

const uint kFineRows = 256;

/// cos and sin of the angle of pair `i` at `position`.
vec2 rotation(uint position, uint i) {
  const vec2 fine = table.v[(position % kFineRows) * (rotated / 2) + i];
  const vec2 coarse = table.v[(kFineRows + position / kFineRows) * (rotated / 2) + i];
  return vec2(coarse.x * fine.x - coarse.y * fine.y, coarse.y * fine.x + coarse.x * fine.y);
}

void main() {
  const uint t = gl_WorkGroupID.y;
  const uint head = gl_WorkGroupID.x;
  if (t >= batch.tokens) return;
  const Entry entry = batch.entries[t];
  const uint base = (t * (heads + 2 * kv_heads) + head) * HEAD;
  const bool is_query = head < heads;
  const bool is_value = head >= heads + kv_heads;

  float factor = is_query ? query_scale : 1;
  if (NORM && !is_value) {
    float sum = 0;
    for (uint i = gl_SubgroupInvocationID; i < HEAD; i += gl_SubgroupSize) sum += qkv.v[base + i] * qkv.v[base + i];
    factor *= inversesqrt(subgroupAdd(sum) / float(HEAD) + epsilon);
  }

  uint64_t row = 0;
  if (!is_query) {
    const uint64_t page = PageTable(tables.slot[entry.slot]).page[entry.position / kPageTokens];
    row = key_rows(page, layer_offset, (head - heads) % kv_heads, HEAD * 2) +
          (entry.position % kPageTokens) * (HEAD * 2) + (is_value ? v_offset : 0);
  }
  // Each step handles two neighbouring pairs, so that f16 results fill whole words.
  for (uint step = gl_SubgroupInvocationID; step < HEAD / 4; step += gl_SubgroupSize) {
    uvec4 at;  // two firsts and two seconds
    const uint half_width = rotated / 2;
    const bool rotates = !is_value && 4 * step < rotated;
    if (NEOX && rotates) {
      at = uvec4(2 * step, 2 * step + 1, half_width + 2 * step, half_width + 2 * step + 1);
    } else {
      at = uvec4(4 * step, 4 * step + 2, 4 * step + 1, 4 * step + 3);
    }
    vec4 value = vec4(qkv.v[base + at.x], qkv.v[base + at.y], qkv.v[base + at.z], qkv.v[base + at.w]) * factor;
    if (NORM && !is_value) {
      if (is_query) {
        value *= vec4(query_norm.v[at.x], query_norm.v[at.y], query_norm.v[at.z], query_norm.v[at.w]);
      } else {
        value *= vec4(key_norm.v[at.x], key_norm.v[at.y], key_norm.v[at.z], key_norm.v[at.w]);
      }
    }
    if (rotates) {
      const uint pair = 2 * step;
      const vec2 r0 = rotation(entry.position, pair);
      const vec2 r1 = rotation(entry.position, pair + 1);
      value = vec4(value.x * r0.x - value.z * r0.y, value.y * r1.x - value.w * r1.y,
                   value.z * r0.x + value.x * r0.y, value.w * r1.x + value.y * r1.y);
    }
    if (is_query) {
      qkv.v[base + at.x] = value.x;
      qkv.v[base + at.y] = value.y;
      qkv.v[base + at.z] = value.z;
      qkv.v[base + at.w] = value.w;
    } else if (NEOX && rotates) {
      WriteWords(row).v[at.x / 2] = packHalf2x16(value.xy);
      WriteWords(row).v[at.z / 2] = packHalf2x16(value.zw);
    } else {
      WriteWords(row).v[at.x / 2] = packHalf2x16(value.xz);
      WriteWords(row).v[at.x / 2 + 1] = packHalf2x16(value.yw);
    }
  }
}
