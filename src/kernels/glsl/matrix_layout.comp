#version 460
// Whether lanes hold a matrix of sums (M, N) in f32 as they hold a left matrix (M, K) of f16, N == K: the same element
// in the same place. The extension leaves open where elements are, so a device is asked.
// numbers (M, N) f32, all different, and as f16; result (lanes) u32: 1 where all of a lane's elements agree.
#extension GL_EXT_shader_explicit_arithmetic_types_float16 : require
#extension GL_KHR_cooperative_matrix : require
#extension GL_KHR_memory_scope_semantics : require
#include "common.glsl"
layout(local_size_x_id = 0) in;
layout(constant_id = 1) const uint M = 16;
layout(constant_id = 2) const uint N = 16;

layout(push_constant) uniform Constants { WriteWords result; };

shared float floats[M * N];
shared float16_t halves[M * N];

void main() {
  for (uint i = gl_SubgroupInvocationID; i < M * N; i += gl_SubgroupSize) {
    floats[i] = float(i);
    halves[i] = float16_t(i);
  }
  barrier();
  coopmat<float, gl_ScopeSubgroup, M, N, gl_MatrixUseAccumulator> sums;
  coopmat<float16_t, gl_ScopeSubgroup, M, N, gl_MatrixUseA> left;
  coopMatLoad(sums, floats, 0, N, gl_CooperativeMatrixLayoutRowMajor);
  coopMatLoad(left, halves, 0, N, gl_CooperativeMatrixLayoutRowMajor);
  bool agree = sums.length() == left.length();
  for (uint i = 0; i < min(sums.length(), left.length()); ++i) agree = agree && float(left[i]) == sums[i];
  result.v[gl_SubgroupInvocationID] = agree ? 1 : 0;
}
