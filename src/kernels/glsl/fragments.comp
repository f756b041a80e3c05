#version 460
// Which element of a matrix each lane holds: numbers them from 0, and stores what the lanes see.
// out (SUBGROUP, 2, 32) u32: of the left matrix row * K + k, of the right one k * N + column, plus 1; 0: no more elements.
#extension GL_EXT_shader_explicit_arithmetic_types_float16 : require
#extension GL_KHR_cooperative_matrix : require
#extension GL_KHR_memory_scope_semantics : require
#include "common.glsl"
layout(local_size_x_id = 0) in;
layout(constant_id = 1) const uint M = 16;
layout(constant_id = 2) const uint N = 8;
layout(constant_id = 3) const uint K = 16;

layout(push_constant) uniform Constants {
  WriteWords result;
};

const uint kMost = M > N ? M * K : N * K;
shared float16_t numbers[kMost];

void main() {
  // Whole numbers up to 2048 are exact.
  for (uint i = gl_LocalInvocationIndex; i < kMost; i += gl_WorkGroupSize.x) numbers[i] = float16_t(i + 1);
  barrier();
  coopmat<float16_t, gl_ScopeSubgroup, M, K, gl_MatrixUseA> a;
  coopmat<float16_t, gl_ScopeSubgroup, K, N, gl_MatrixUseB> b;
  coopMatLoad(a, numbers, 0, K, gl_CooperativeMatrixLayoutRowMajor);
  coopMatLoad(b, numbers, 0, N, gl_CooperativeMatrixLayoutRowMajor);
  const uint first = gl_SubgroupInvocationID * 64;
  for (uint i = 0; i < 32; ++i) {
    result.v[first + i] = i < a.length() ? uint(a[min(i, a.length() - 1)]) : 0;
    result.v[first + 32 + i] = i < b.length() ? uint(b[min(i, b.length() - 1)]) : 0;
  }
}
