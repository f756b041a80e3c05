#version 460
// Multiplies matrices that stay in registers, to measure how fast a device's matrix units are: every subgroup adds
// kRows * kColumns products of f16 to as many sums in f32, `turns` times, and writes the sum of all their elements:
// m * n * k * kRows * kColumns * turns * left * right.
// Groups: any number. sums (groups * subgroups of a group) f32. Constants: threads, m, n, k.
#extension GL_KHR_cooperative_matrix : require
#extension GL_KHR_memory_scope_semantics : require
#extension GL_EXT_shader_explicit_arithmetic_types_float16 : require
#include "common.glsl"
layout(local_size_x_id = 0) in;
layout(constant_id = 1) const uint kM = 16;
layout(constant_id = 2) const uint kN = 16;
layout(constant_id = 3) const uint kK = 16;

layout(push_constant) uniform Constants {
  WriteFloats sums;
  uint turns;
  float left;  // not known to the compiler, so that nothing is computed beforehand
  float right;
};

// Enough sums that none waits for itself, and few enough to stay in registers: 8 of 8 a lane where 32 share 16 x 16.
const uint kRows = 4;
const uint kColumns = 2;

void main() {
  coopmat<float16_t, gl_ScopeSubgroup, kM, kK, gl_MatrixUseA> a[kRows];
  coopmat<float16_t, gl_ScopeSubgroup, kK, kN, gl_MatrixUseB> b[kColumns];
  coopmat<float, gl_ScopeSubgroup, kM, kN, gl_MatrixUseAccumulator> sum[kRows][kColumns];
  [[unroll]] for (uint i = 0; i < kRows; ++i) {
    // Rows that differ in turn cannot be one product to the compiler; together they are as if all were `left`.
    const float shift = (i & 1) == 0 ? left : -left;
    a[i] = coopmat<float16_t, gl_ScopeSubgroup, kM, kK, gl_MatrixUseA>(float16_t(left + 0.5 * shift));
    [[unroll]] for (uint j = 0; j < kColumns; ++j) {
      sum[i][j] = coopmat<float, gl_ScopeSubgroup, kM, kN, gl_MatrixUseAccumulator>(0.0);
    }
  }
  [[unroll]] for (uint j = 0; j < kColumns; ++j) {
    const float shift = (j & 1) == 0 ? right : -right;
    b[j] = coopmat<float16_t, gl_ScopeSubgroup, kK, kN, gl_MatrixUseB>(float16_t(right + 0.5 * shift));
  }
  for (uint turn = 0; turn < turns; ++turn) {
    [[unroll]] for (uint i = 0; i < kRows; ++i) {
      [[unroll]] for (uint j = 0; j < kColumns; ++j) sum[i][j] = coopMatMulAdd(a[i], b[j], sum[i][j]);
    }
  }
  float total = 0;
  [[unroll]] for (uint i = 0; i < kRows; ++i) {
    [[unroll]] for (uint j = 0; j < kColumns; ++j) {
      for (uint e = 0; e < sum[i][j].length(); ++e) total += sum[i][j][e];
    }
  }
  total = subgroupAdd(total);
  if (subgroupElect()) sums.v[gl_WorkGroupID.x * gl_NumSubgroups + gl_SubgroupID] = total;
}
