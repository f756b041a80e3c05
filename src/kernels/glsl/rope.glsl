// Norm, scale and rotation of one head of queries or keys, and values on their way to KV memory: four dimensions a
// step, two neighbouring pairs, so that f16 results fill whole words.
// Rotary embedding: https://arxiv.org/abs/2104.09864. Angles are not computed here: cos and sin of position * f come
// from those of its multiple of 256 and of the rest, two tables that the host made in double precision, so that every
// device rotates alike at any position. table: (coarse rows, rotated / 2) pairs, after 256 fine rows of the same.
//
// For kernels with the constants HEAD, NEOX (pairs (i, i + rotated / 2) instead of (2i, 2i + 1)) and NORM (RMS norm of
// every query and key head).
layout(buffer_reference, std430, buffer_reference_align = 8) readonly buffer Pairs { vec2 v[]; };

struct Rotary {
  Pairs table;
  uint rotated;  // how many dimensions of a head are rotated
  uint position;
};

const uint kFineRows = 256;

/// cos and sin of the angle of pair `i`.
vec2 rotation(Rotary rotary, uint i) {
  const uint pairs = rotary.rotated / 2;
  const vec2 fine = rotary.table.v[(rotary.position % kFineRows) * pairs + i];
  const vec2 coarse = rotary.table.v[(kFineRows + rotary.position / kFineRows) * pairs + i];
  return vec2(coarse.x * fine.x - coarse.y * fine.y, coarse.y * fine.x + coarse.x * fine.y);
}

/// What RMS norm multiplies `head` (HEAD values) with, computed by a subgroup; 1 without NORM.
float norm_factor(Floats head, float epsilon) {
  if (!NORM) return 1;
  float squares = 0;
  for (uint i = gl_SubgroupInvocationID; i < HEAD; i += gl_SubgroupSize) squares += head.v[i] * head.v[i];
  return inversesqrt(subgroupAdd(squares) / float(HEAD) + epsilon);
}

/// Where the four dimensions of `step` (of HEAD / 4) lie: the firsts of two pairs, then their seconds.
uvec4 step_dimensions(uint step, bool is_value, Rotary rotary) {
  const uint half_width = rotary.rotated / 2;
  if (NEOX && !is_value && 4 * step < rotary.rotated) {
    return uvec4(2 * step, 2 * step + 1, half_width + 2 * step, half_width + 2 * step + 1);
  }
  return uvec4(4 * step, 4 * step + 2, 4 * step + 1, 4 * step + 3);
}

/// The dimensions `at` = step_dimensions(step) of `head`, times `factor`, of queries and keys also times `weight` (with
/// NORM) and rotated.
vec4 prepare_step(Floats head, uint step, uvec4 at, bool is_value, float factor, Floats weight, Rotary rotary) {
  vec4 value = vec4(head.v[at.x], head.v[at.y], head.v[at.z], head.v[at.w]) * factor;
  if (is_value) return value;
  if (NORM) value *= vec4(weight.v[at.x], weight.v[at.y], weight.v[at.z], weight.v[at.w]);
  if (4 * step >= rotary.rotated) return value;
  const vec2 r0 = rotation(rotary, 2 * step);
  const vec2 r1 = rotation(rotary, 2 * step + 1);
  return vec4(value.x * r0.x - value.z * r0.y, value.y * r1.x - value.w * r1.y, value.z * r0.x + value.x * r0.y,
              value.w * r1.x + value.y * r1.y);
}

/// A step as two words of an f16 row: the first's index, the first, the second's index, the second.
uvec4 pack_step(uvec4 at, vec4 value) {
  if (at.y == at.x + 1) return uvec4(at.x / 2, packHalf2x16(value.xy), at.z / 2, packHalf2x16(value.zw));
  return uvec4(at.x / 2, packHalf2x16(value.xz), at.x / 2 + 1, packHalf2x16(value.yw));
}
