#include "plan/limits.hpp"

#include <algorithm>
#include <bit>

namespace caldera::plan {

uint32_t read_tokens(DeviceType device, bool matrix_units, uint32_t context, uint32_t prefill_rows) {
  // A software device takes a second for what a GPU does at once: smaller batches show progress. A card with
  // matrix units wants more tokens: 4096 rows of 512 are 128 tiles of 128 x 128 for, say, 132 multiprocessors
  // that hold two each; what is left over in the last round of tiles is less of a larger batch. Forty compute
  // units that share the memory of the CPU have enough with 512.
  uint32_t usual = 512;
  if (device == DeviceType::kCpu) usual = 128;
  if (device == DeviceType::kDiscrete && matrix_units) usual = 2048;
  return std::min(prefill_rows > 0 ? prefill_rows : usual, std::bit_ceil(context));
}

BatchLimits batch_limits(uint32_t read_tokens, uint32_t context, uint32_t sequences) {
  // Recordings are for powers of two, and kernels read whole tiles of columns.
  return {.tokens = std::bit_ceil(std::max({read_tokens, sequences, kVectorTile})),
          .outputs = std::max(kLogitRows, sequences),
          .decode_tokens = sequences,
          .context = context};
}

}  // namespace caldera::plan
