// What the kernels of a decode step's attention are given.
//
// qkv (tokens, (heads + 2 kv_heads) * HEAD) f32, not rotated; out (tokens, heads * HEAD) f32, or int8 vectors.
// parts: sums (tokens, heads, splits, HEAD), then maximum and weight (tokens, heads, splits, 2), f32; counters (tokens,
// kv_heads, CHUNKS), zero before and after. Groups: (kv_heads * CHUNKS, tokens, splits).
#include "common.glsl"
#include "pages.glsl"
#include "int8_vector.glsl"
layout(local_size_x_id = 0) in;  // SUBGROUP * SUBGROUPS
layout(constant_id = 1) const uint SUBGROUP = 8;
layout(constant_id = 2) const uint SUBGROUPS = 2;
layout(constant_id = 3) const uint HEAD = 64;     // a multiple of 8, for int8 vectors of 32
layout(constant_id = 4) const bool NEOX = false;  // see rope.glsl
layout(constant_id = 5) const bool NORM = false;
layout(constant_id = 6) const uint HEADS = 3;      // query heads of a workgroup
layout(constant_id = 7) const bool SPLIT = false;  // there may be several parts
layout(constant_id = 8) const uint SHARING = 3;    // query heads that share a KV head
layout(constant_id = 9) const uint K_FORMAT = 0;   // see kv_rows.glsl
layout(constant_id = 10) const uint V_FORMAT = 0;
layout(constant_id = 11) const bool LOCKSTEP = false;
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
const uint PIECES = HEAD / 8;  // of a row
const uint FOURS = HEAD / 4;
const float kNever = -1e30;

uint query_heads() { return kv_heads * SHARING; }
/// Not a constant: a kernel for each number would be compiled in mid-answer, when a sequence grows to it.
uint splits() { return SPLIT ? gl_NumWorkGroups.z : 1; }
