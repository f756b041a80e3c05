#include "plan/limits.hpp"

#include <algorithm>
#include <bit>

namespace caldera::plan {

uint32_t read_tokens(bool software, uint32_t context, uint32_t prefill_rows) {
  // A software device takes a second for what a GPU does at once: smaller batches show progress.
  const uint32_t usual = software ? 128 : 512;
  return std::min(prefill_rows > 0 ? prefill_rows : usual, std::bit_ceil(context));
}

BatchLimits batch_limits(uint32_t read_tokens, uint32_t context) {
  // Recordings are for powers of two, and kernels read whole tiles of columns.
  return {.tokens = std::bit_ceil(std::max(read_tokens, kMaxSequences)),
          .outputs = kLogitRows,
          .decode_tokens = kMaxSequences,
          .context = context};
}

}  // namespace caldera::plan
