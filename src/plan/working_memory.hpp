// The sizes of what a model computes in: KV pages and activations. The program allocates by them, and the
// planner adds them up.
#pragma once

#include <cstdint>

#include "plan/kv_format.hpp"
#include "plan/limits.hpp"
#include "plan/model_shape.hpp"

namespace caldera::plan {

/// Bytes of one layer's keys (or values) in one page of kPageTokens tokens.
uint64_t half_layer_bytes(uint32_t kv_heads, uint32_t head, KvFormat format = KvFormat::kF16);
/// Bytes of one page of all layers.
uint64_t page_bytes(const ModelShape& shape, KvFormats formats = {});

/// Rows of the rope table that every context needs.
inline constexpr uint32_t kRopeFineRows = 256;

/// Bytes of a vector of activations in 8-bit codes with a scale for each 32 of them (`columns` a multiple of
/// 32). The layout is in src/kernels/glsl/int8_vector.glsl.
constexpr uint64_t int8_vector_bytes(uint64_t columns) {
  const uint64_t units = columns / 32;
  const uint64_t plane = 16 * ((units + 3) / 4) + 16;
  return 8 * plane + 16 * units;
}

/// What the sampler notes of the slices that it cuts a vocabulary into, after a counter for each output
/// (src/kernels/glsl/sample_state.glsl).
inline constexpr uint64_t kSamplerCounterBytes = 1024;
inline constexpr uint32_t kSamplerSliceTokens = 2048;
inline constexpr uint64_t kSamplerSliceBytes = 16 + 8 * 1024 + uint64_t{4} * kSamplerSliceTokens;
constexpr uint64_t sampler_bytes(uint64_t outputs, uint64_t vocabulary) {
  const uint64_t slices = (vocabulary + kSamplerSliceTokens - 1) / kSamplerSliceTokens;
  return kSamplerCounterBytes + outputs * slices * kSamplerSliceBytes;
}

/// Bytes of each buffer of a program; all but the rope table and the logits are overwritten layer by layer.
struct ProgramBytes {
  uint64_t x = 0;         ///< the residual stream
  uint64_t normed = 0;    ///< the residual stream, normalised
  uint64_t qkv = 0;       ///< queries, keys and values
  uint64_t attended = 0;  ///< attention's output
  uint64_t hidden = 0;    ///< between the feed-forward matrices
  uint64_t gate = 0;      ///< where gate and up are apart, each of them; else 0
  uint64_t up = 0;
  uint64_t parts = 0;  ///< of split attention
  uint64_t rope_table = 0;
  uint64_t logits = 0;
  uint64_t outputs = 0;  ///< the residual stream of those tokens whose logits are wanted
  // As int8 vectors, of decode steps and of prompts that are read so, and what attention counts its parts by.
  uint64_t normed_int8 = 0;
  uint64_t attended_int8 = 0;
  uint64_t hidden_int8 = 0;
  uint64_t outputs_int8 = 0;
  uint64_t counters = 0;
  uint64_t sampler = 0;  ///< its summaries of the logits
};

/// `gate_apart`: gate and up of some layer are not one matrix.
ProgramBytes program_bytes(const ModelShape& shape, const BatchLimits& limits, bool gate_apart);

}  // namespace caldera::plan
