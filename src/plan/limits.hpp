// How large the batches are that a model's working memory is made for.
#pragma once

#include <cstdint>

#include "plan/topology.hpp"

namespace caldera::plan {

inline constexpr uint32_t kPageTokens = 64;    ///< tokens in one page of KV memory
inline constexpr uint32_t kMaxSequences = 64;  ///< sequences in one decode step
inline constexpr uint32_t kLogitRows = 32;  ///< outputs computed at once when the logits of many are wanted

/// Most tokens of a prompt that are read as int8 vectors in one batch: GPUs that do better with more have
/// matrix units, and read otherwise.
inline constexpr uint32_t kInt8Tokens = 512;

/// Vectors that products of few of them read as a whole tile, whatever a batch has.
inline constexpr uint32_t kVectorTile = 8;

/// Parts that the attention of all tokens of a batch may be split into together: of many tokens each has few.
inline constexpr uint32_t kAttentionParts = 512;

/// Tokens of a usual conversation: what is planned for, and kept room for, where nobody asks for a context.
inline constexpr uint32_t kUsualContext = 8192;

/// What the activations of a program are made for.
struct BatchLimits {
  uint32_t tokens = 0;         ///< most tokens of a batch
  uint32_t outputs = 0;        ///< most outputs of a batch
  uint32_t decode_tokens = 0;  ///< most tokens of a decode step
  uint32_t context = 0;        ///< most tokens of a sequence
};

/// Most tokens of a prompt that are read in one batch; `matrix_units`: as in Topology; `prefill_rows`: as
/// asked for, 0 for what is usual on the device.
uint32_t read_tokens(DeviceType device, bool matrix_units, uint32_t context, uint32_t prefill_rows);

/// The limits of an engine that reads `read_tokens` at a time and decodes for up to `sequences` together.
BatchLimits batch_limits(uint32_t read_tokens, uint32_t context, uint32_t sequences);

}  // namespace caldera::plan
