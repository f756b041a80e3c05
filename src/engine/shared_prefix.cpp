// Sequences that begin alike, as a system message makes them: what one has computed the others refer to.
#include <algorithm>

#include "engine/engine.hpp"

namespace caldera::engine {
namespace {

using kernels::kPageTokens;

/// Full pages at the beginning of `other` that hold what `slot` would compute.
uint32_t common_pages(const Slot& slot, const Slot& other) {
  // Behind what it dropped, a sequence's keys and values know of more than its tokens.
  const uint32_t plain =
      other.shifted.dropped > 0 ? std::min(other.shifted.kept, other.computed) : other.computed;
  // The last token is read in any case.
  const auto most = static_cast<ptrdiff_t>(std::min<size_t>(slot.tokens.size() - 1, plain));
  const auto end = slot.tokens.begin() + most;
  const auto differs = std::mismatch(slot.tokens.begin(), end, other.tokens.begin()).first;
  return static_cast<uint32_t>(differs - slot.tokens.begin()) / kPageTokens;
}

}  // namespace

void Engine::adopt_prefix(uint32_t index) {
  Slot& slot = slots_[index];
  const Slot* best = nullptr;
  uint32_t pages = slot.computed / kPageTokens;
  for (const Slot& other : slots_) {
    if (&other == &slot) continue;
    const uint32_t common = common_pages(slot, other);
    if (common <= pages) continue;
    best = &other;
    pages = common;
  }
  if (best == nullptr) return;
  resident().wait_all();
  slot.adopt(*best, pages);
}

}  // namespace caldera::engine
