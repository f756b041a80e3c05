#version 460
// Adds up memory, to measure how fast a device reads it: 16-byte loads, four of them under way a lane, neighbouring
// lanes side by side. Group g reads loads [g * group_step, g * group_step + group_span), a row of lanes every `stride`.
// Every subgroup writes the sum of its words (modulo 2^32), so that no load can be left out.
// Groups: any number. memory (loads) uvec4; sums (groups * subgroups of a group) u32.
#include "common.glsl"
layout(local_size_x_id = 0) in;

layout(push_constant) uniform Constants {
  uint64_t memory;
  WriteWords sums;
  uint loads;
  uint group_step;
  uint group_span;
  uint stride;
};

void main() {
  const uint first = gl_WorkGroupID.x * group_step;
  const uint end = min(loads, first + group_span);
  uint i = first + gl_LocalInvocationID.x;
  uvec4 sum = uvec4(0);
  for (; i + 3 * stride < end; i += 4 * stride) {
    const uvec4 a = load_words4(memory, i);
    const uvec4 b = load_words4(memory, i + stride);
    const uvec4 c = load_words4(memory, i + 2 * stride);
    const uvec4 d = load_words4(memory, i + 3 * stride);
    sum += (a + b) + (c + d);
  }
  for (; i < end; i += stride) sum += load_words4(memory, i);
  const uint all = subgroupAdd(sum.x + sum.y + sum.z + sum.w);
  if (subgroupElect()) sums.v[gl_WorkGroupID.x * gl_NumSubgroups + gl_SubgroupID] = all;
}
