// What host and kernels both know of the batch and the sequences. Mirrors glsl/common.glsl and
// glsl/sample.comp.
#pragma once

#include <cstddef>
#include <cstdint>

namespace caldera::kernels {

inline constexpr uint32_t kPageTokens = 64;  ///< tokens in one page of KV memory
inline constexpr uint32_t kResultRing = 64;  ///< drawn tokens the device keeps for the host
inline constexpr uint32_t kMaxTopK = 1024;
inline constexpr uint32_t kMaxOutputs = 253;  ///< entries of one batch whose logits can be wanted
inline constexpr uint32_t kMaxEndTokens = 18;
inline constexpr uint32_t kRopeFineRows = 256;

/// One token of a batch.
struct Entry {
  uint32_t token;
  uint32_t position;
  uint32_t slot;  ///< which sequence
  uint32_t unused;
};

/// The head of a batch; `Entry entries[]` follow it.
struct BatchHead {
  uint32_t tokens;   ///< entries in use
  uint32_t outputs;  ///< entries whose logits are wanted
  uint32_t running;  ///< sequences that have not ended
  uint32_t output_index[kMaxOutputs];

  Entry* entries() { return reinterpret_cast<Entry*>(this + 1); }
};
static_assert(sizeof(BatchHead) == 1024);

/// Bytes of a batch of up to `tokens` entries.
constexpr uint64_t batch_bytes(uint32_t tokens) {
  return sizeof(BatchHead) + uint64_t{tokens} * sizeof(Entry);
}

/// How a sequence is sampled, and how far it is. The device updates `produced` and `ended`.
struct Sequence {
  float temperature;
  float top_p;
  float min_p;
  float repeat_penalty;
  float presence_penalty;
  float frequency_penalty;
  uint32_t top_k;
  uint32_t penalty_window;
  uint32_t seed_low;
  uint32_t seed_high;
  uint32_t decode_entry;
  uint32_t produced;
  uint32_t ended;
  uint32_t end_count;
  uint32_t end_token[kMaxEndTokens];
};
static_assert(sizeof(Sequence) == 128);

/// Addresses of what belongs to one slot.
struct SlotAddresses {
  uint64_t sequence;
  uint64_t counts;
  uint64_t history;
  uint64_t results;
  uint64_t mask;  ///< of tokens that may be drawn; 0: all may
};

/// Where RopeShift takes a page from and where it puts it, which may be the same.
struct PageMove {
  uint64_t from;
  uint64_t to;
};

}  // namespace caldera::kernels
