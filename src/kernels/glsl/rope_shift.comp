#version 460
// Moves tokens of a sequence to earlier positions, when older ones were dropped: turns the keys of whole pages back by one
// distance, in place or on the way into other pages, and copies the values in the latter case. Rotations add up, so a key
// rotated for its old position and then by minus the distance is that of the new one; what YaRN multiplied it with stays.
// One subgroup a row of a head. Groups: (rows of all heads / subgroups, pages, layers).
#include "common.glsl"
#include "pages.glsl"
layout(local_size_x_id = 0) in;
layout(constant_id = 1) const uint SUBGROUPS = 8;  // of a workgroup
layout(constant_id = 2) const uint HEAD = 64;
layout(constant_id = 3) const bool NEOX = false;  // see rope.glsl

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

shared float staged[SUBGROUPS * HEAD];

/// Dimension `d` of the row in `staged` from `row` on, turned.
float turned(uint row, uint d) {
  const float own = staged[row + d];
  if (d >= rotated) return own;
  const uint half_width = rotated / 2;
  const bool second = NEOX ? d >= half_width : (d & 1) != 0;
  const uint pair = NEOX ? (second ? d - half_width : d) : d / 2;
  const float other = staged[row + (NEOX ? (second ? pair : d + half_width) : d ^ 1)];
  const vec2 angle = turn.v[pair];
  return own * angle.x + (second ? other : -other) * angle.y;
}

void main() {
  const Move move = moves.page[gl_WorkGroupID.y];
  const uint layer = layer_offset + gl_WorkGroupID.z * layer_bytes;
  const uint index = gl_WorkGroupID.x * SUBGROUPS + gl_SubgroupID;
  const uint staged_row = gl_SubgroupID * HEAD;
  const bool inside = index < kv_heads * kPageTokens;
  const uint64_t offset = uint64_t(layer + index * (HEAD * 2));
  if (inside) {
    for (uint word = gl_SubgroupInvocationID; word < HEAD / 2; word += gl_SubgroupSize) {
      const vec2 pair = unpackHalf2x16(Words(move.from + offset).v[word]);
      staged[staged_row + 2 * word] = pair.x;
      staged[staged_row + 2 * word + 1] = pair.y;
    }
  }
  barrier();
  if (inside) {
    for (uint word = gl_SubgroupInvocationID; word < HEAD / 2; word += gl_SubgroupSize) {
      WriteWords(move.to + offset).v[word] =
          packHalf2x16(vec2(turned(staged_row, 2 * word), turned(staged_row, 2 * word + 1)));
    }
  }
  if (move.from == move.to) return;
  const uint64_t values = uint64_t(layer + v_offset);
  for (uint word = gl_GlobalInvocationID.x; word < v_bytes / 4; word += gl_NumWorkGroups.x * gl_WorkGroupSize.x) {
    WriteWords(move.to + values).v[word] = Words(move.from + values).v[word];
  }
}
