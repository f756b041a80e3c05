#include "engine/context_shift.hpp"

#include <algorithm>

#include "kernels/state.hpp"

namespace caldera::engine {

using kernels::kPageTokens;

uint32_t kept_tokens(uint32_t keep) {
  constexpr uint32_t kMost = 1U << 30;  // more than any context; what is asked for may be more than rounds up
  return (std::min(keep, kMost) + kPageTokens - 1) / kPageTokens * kPageTokens;
}

uint64_t least_shifting_context(uint32_t keep) {
  return uint64_t{kept_tokens(keep)} + 2 * uint64_t{kPageTokens};
}

ContextShift next_shift(uint32_t length, uint32_t kept) {
  const uint32_t pages = (length - std::min(length, kept)) / kPageTokens;
  if (pages < 2) return {kept, 0};
  return {kept, std::max(pages / 4, 1U) * kPageTokens};
}

}  // namespace caldera::engine
