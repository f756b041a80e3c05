#version 460
// Moves tokens of a sequence to earlier positions, when older ones were dropped: turns the keys of whole pages back by one
// distance, in place or on the way into other pages, and copies the values in the latter case. Rotations add up, so a key
// rotated for its old position and then by minus the distance is that of the new one; what YaRN multiplied it with stays.
// One subgroup a row of a head. Groups: (rows of all heads / subgroups, pages, layers).
#include "common.glsl"
#include "pages.glsl"
layout(local_size_x_id = 0) in;
layout(constant_id = 1) const uint SUBGROUPS = 8;  // of a workgroup; divides kPageTokens
layout(constant_id = 2) const uint HEAD = 64;
layout(constant_id = 3) const bool NEOX = false;  // see rope.glsl
layout(constant_id = 4) const uint K_FORMAT = 0;  // see kv_rows.glsl
#include "kv_rows.glsl"
#include "int8_vector.glsl"
#include "kv_encode.glsl"

struct Move {
  uint64_t from;
  uint64_t to;
};
layout(buffer_reference, std430, buffer_reference_align = 16) readonly buffer Moves { Move page[]; };
layout(buffer_reference, std430, buffer_reference_align = 8) readonly buffer Pairs { vec2 v[]; };

layout(push_constant) uniform Constants {
  Moves moves;
  Pairs turn;         // (rotated / 2) cos and sin of minus the distance's angles
  uint kv_heads;
  uint rotated;       // dimensions of a head
  uint layer_offset;  // bytes into a page to the first layer's keys
  uint layer_bytes;   // from one layer to the next
  uint v_offset;      // bytes from K to V in a layer's part of a page
  uint v_bytes;       // of V
};

const uint PAIRS = HEAD / 2;
shared vec2 staged[SUBGROUPS * PAIRS];

/// Dimensions 2 i and 2 i + 1 of the row in `staged` from `row` on, turned.
vec2 turned(uint row, uint i) {
  const vec2 own = staged[row + i];
  if (2 * i >= rotated) return own;
  if (!NEOX) {
    const vec2 angle = turn.v[i];
    return vec2(own.x * angle.x - own.y * angle.y, own.y * angle.x + own.x * angle.y);
  }
  // Its partners are two neighbours too, because rotated / 2 is even.
  const uint half_width = rotated / 2;
  const bool second = 2 * i >= half_width;
  const vec2 other = staged[second ? row + i - half_width / 2 : row + i + half_width / 2];
  const uint pair = second ? 2 * i - half_width : 2 * i;
  const vec2 a = turn.v[pair];
  const vec2 b = turn.v[pair + 1];
  return own * vec2(a.x, b.x) + (second ? other : -other) * vec2(a.y, b.y);
}

void main() {
  const Move move = moves.page[gl_WorkGroupID.y];
  const uint layer = layer_offset + gl_WorkGroupID.z * layer_bytes;
  const uint index = gl_WorkGroupID.x * SUBGROUPS + gl_SubgroupID;
  const uint row = index % kPageTokens;
  const uint64_t head = uint64_t(layer + index / kPageTokens * kv_head_bytes(K_FORMAT));
  const uint first = gl_SubgroupID * PAIRS;
  for (uint i = gl_SubgroupInvocationID; i < PAIRS; i += gl_SubgroupSize) {
    staged[first + i] = load_kv_pair(K_FORMAT, move.from + head, row, i);
  }
  barrier();
  if (K_FORMAT == kKvF16) {
    for (uint i = gl_SubgroupInvocationID; i < PAIRS; i += gl_SubgroupSize) {
      WriteWords(move.to + head).v[row * PAIRS + i] = packHalf2x16(turned(first, i));
    }
  } else {
    for (uint from = 0; from < HEAD / 4; from += gl_SubgroupSize) {
      const uint four = from + gl_SubgroupInvocationID;
      const uint at = 2 * min(four, HEAD / 4 - 1);
      const KvCodes codes = encode_kv(K_FORMAT, vec4(turned(first, at), turned(first, at + 1)));
      if (four < HEAD / 4) store_kv(K_FORMAT, move.to + head, row, four, codes);
    }
  }
  if (move.from == move.to) return;
  const uint64_t values = uint64_t(layer + v_offset);
  for (uint word = gl_GlobalInvocationID.x; word < v_bytes / 4; word += gl_NumWorkGroups.x * gl_WorkGroupSize.x) {
    WriteWords(move.to + values).v[word] = Words(move.from + values).v[word];
  }
}
