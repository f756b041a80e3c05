// What attention reads of KV memory.
#pragma once

#include <cstdint>

#include "plan/working_memory.hpp"

namespace caldera::engine {

/// Bytes of one token's keys and values in one layer.
inline uint64_t kv_bytes_per_token(uint32_t kv_heads, uint32_t head, plan::KvFormats kv) {
  return (plan::half_layer_bytes(kv_heads, head, kv.keys) +
          plan::half_layer_bytes(kv_heads, head, kv.values)) /
         plan::kPageTokens;
}

}  // namespace caldera::engine
