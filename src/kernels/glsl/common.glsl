// What every kernel shares: memory by address, the batch, and the sequences. Mirrored by kernels/state.hpp.
#extension GL_EXT_buffer_reference : require
#extension GL_EXT_control_flow_attributes : require
#extension GL_EXT_scalar_block_layout : disable
#extension GL_EXT_shader_explicit_arithmetic_types_int64 : require
#extension GL_KHR_shader_subgroup_basic : require
#extension GL_KHR_shader_subgroup_arithmetic : require
#extension GL_KHR_shader_subgroup_ballot : require
#extension GL_KHR_shader_subgroup_shuffle : require

layout(buffer_reference, std430, buffer_reference_align = 4) readonly buffer Words { uint v[]; };
layout(buffer_reference, std430, buffer_reference_align = 8) readonly buffer Words2 { uvec2 v[]; };
layout(buffer_reference, std430, buffer_reference_align = 16) readonly buffer Words4 { uvec4 v[]; };
layout(buffer_reference, std430, buffer_reference_align = 4) readonly buffer Floats { float v[]; };
layout(buffer_reference, std430, buffer_reference_align = 16) readonly buffer Floats4 { vec4 v[]; };
layout(buffer_reference, std430, buffer_reference_align = 4) buffer WriteWords { uint v[]; };
layout(buffer_reference, std430, buffer_reference_align = 8) buffer WriteWords2 { uvec2 v[]; };
layout(buffer_reference, std430, buffer_reference_align = 4) buffer WriteFloats { float v[]; };
layout(buffer_reference, std430, buffer_reference_align = 16) buffer WriteFloats4 { vec4 v[]; };

// Mesa's software device loads component by component, lane by lane: of the same bytes in 64-bit components it makes
// half as many loads. On GPUs the two are the same instruction.
layout(buffer_reference, std430, buffer_reference_align = 8) readonly buffer Words64 { uint64_t v[]; };
layout(buffer_reference, std430, buffer_reference_align = 16) readonly buffer Words64x2 { u64vec2 v[]; };

// The offset is of 32 bits: as an index it would be extended and shifted in 64 for every load.
uvec4 load_words4(uint64_t address, uint index) {
  const u64vec2 words = Words64x2(address + uint64_t(16 * index)).v[0];
  return uvec4(unpackUint2x32(words.x), unpackUint2x32(words.y));
}
vec4 load_floats4(uint64_t address, uint index) { return uintBitsToFloat(load_words4(address, index)); }

/// One token of a batch.
struct Entry {
  uint token;
  uint position;
  uint slot;    // which sequence
  uint unused;
};

/// The tokens computed in one submission. A kernel does nothing for entries from `tokens` on.
layout(buffer_reference, std430, buffer_reference_align = 16) buffer Batch {
  uint tokens;   // entries in use; the sampler sets 0 when every sequence has ended
  uint outputs;  // entries whose logits are wanted
  uint running;  // sequences that have not ended
  uint output_index[253];
  Entry entries[];
};

/// Which of a batch's counts limits a kernel's columns.
const uint kCountTokens = 0;
const uint kCountOutputs = 1;

uint column_count(Batch batch, uint which) {
  if (batch.tokens == 0) return 0;
  return which == kCountTokens ? batch.tokens : batch.outputs;
}

/// Tokens in one page of KV memory.
const uint kPageTokens = 64;
