// Going on when the context is full: which tokens a sequence forgets.
#pragma once

#include <cstdint>

namespace caldera::engine {

/// The longest conversation that is shortened to a context, in tokens: far more than anyone writes.
inline constexpr uint32_t kMostConversation = 1U << 28;

/// Tokens [kept, kept + dropped) of a sequence are forgotten; both are whole pages.
struct ContextShift {
  uint32_t kept = 0;
  uint32_t dropped = 0;
};

/// The first `keep` tokens, rounded up to whole pages. They are never forgotten: attention leans on the first
/// tokens whatever they say (https://arxiv.org/abs/2309.17453).
uint32_t kept_tokens(uint32_t keep);

/// The shortest context that can keep so many and still forget others: two pages more.
uint64_t least_shifting_context(uint32_t keep);

/// What a sequence of `length` tokens forgets at once: of those that are not kept the oldest quarter of its
/// pages, at least one. So a key is turned four times or so before it is forgotten, and rounding has no time
/// to add up. Nothing is dropped where there are fewer than two pages after what is kept.
ContextShift next_shift(uint32_t length, uint32_t kept);

}  // namespace caldera::engine
