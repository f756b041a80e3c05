// One sequence as the host knows it, and its memory on the present device.
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>
#include <vector>

#include "caldera/session.hpp"
#include "engine/context_shift.hpp"
#include "engine/kept_kv.hpp"
#include "engine/prefix_cache.hpp"
#include "engine/slot_memory.hpp"
#include "vulkan/device_lost.hpp"

namespace caldera::engine {

/// What of a sequence outlives a device. What needs its memory throws DeviceLost without one. The device must
/// be idle for every change but reserve().
class Slot {
 public:
  std::vector<Token> tokens;
  uint32_t computed = 0;  ///< of `tokens`, from the first: have their keys and values in device memory
  bool open = false;      ///< a session holds it
  ContextShift shifted;   ///< how many tokens were dropped so far behind how many; none of both: nothing was
  KeptKv kept;            ///< of `computed`: have a copy on the host
  /// Tokens [begin, end) were computed one by one, which rounds in other ways than prompts do.
  struct {
    uint32_t begin = 0;
    uint32_t end = 0;
  } stepped;
  std::vector<PrefixCache::Id> cached;  ///< its first pages as the prefix cache knows them

  /// Goes on with empty memory of another device; null: with none.
  void attach(SlotMemory* memory) {
    memory_ = memory;
    computed = 0;
    cached.clear();
    kept.forget_incomplete();
  }

  /// Makes room for the first `count` tokens. Errors: kMemory. May be called while the device works on
  /// earlier tokens.
  void reserve(uint32_t count) { memory().reserve(count); }
  /// Tokens up to `length` are computed, those that were not yet one by one.
  void step_to(uint32_t length) {
    if (length <= computed) return;
    if (stepped.end != computed) stepped.begin = computed;
    computed = stepped.end = length;
  }
  /// How many of the next `left` tokens are to be computed together, to be what they were before.
  uint32_t alike(uint32_t left) const {
    if (computed >= stepped.end) return left;
    return computed < stepped.begin ? std::min(left, stepped.begin - computed) : 1;
  }
  /// Tokens from `length` on are to be computed again.
  void rewind(uint32_t length) {
    set_back(length);
    kept.truncate(computed);
  }
  /// Keeps keys and values of the first `length` tokens at most in device memory.
  void forget(uint32_t length) {
    set_back(length);
    if (memory_ != nullptr) memory_->keep(computed);
  }
  /// Refers to the first `count` pages of a sequence that begins with the same tokens, all full, instead of
  /// computing them.
  void adopt(const Slot& other, uint32_t count);
  /// The same with pages that come after the full ones that it has computed.
  void adopt(std::span<const KvPages::Page> pages);
  /// Forgets tokens from `length` on, and the pages that held only them.
  void truncate(uint32_t length) {
    tokens.resize(std::min<size_t>(tokens.size(), length));
    forget(length);
    kept.truncate(length);
    stepped = {std::min(stepped.begin, length), std::min(stepped.end, length)};
    if (length <= shifted.kept) shifted = {};
  }
  /// Takes tokens out, as far as the host knows of them.
  void drop(const ContextShift& shift) {
    const uint32_t behind = shift.kept + shift.dropped;
    const auto moved = [&](uint32_t position) {
      return position >= behind ? position - shift.dropped : std::min(position, shift.kept);
    };
    tokens.erase(tokens.begin() + shift.kept, tokens.begin() + behind);
    kept.drop(shift);
    stepped = {moved(stepped.begin), moved(stepped.end)};
    shifted = {shift.kept, shifted.dropped + shift.dropped};
  }
  /// The next tokens to drop, when the first `keep` are to stay: what was kept before is kept on.
  ContextShift next_drop(uint32_t keep) const {
    return next_shift(static_cast<uint32_t>(tokens.size()),
                      shifted.dropped > 0 ? shifted.kept : kept_tokens(keep));
  }

  /// Prepares drawing, see SlotMemory::begin().
  void begin(const SamplingOptions& sampling, uint64_t seed, uint32_t decode_entry,
             std::span<const Token> end_tokens) {
    memory().begin(tokens, sampling, stream_of(seed), decode_entry, end_tokens);
  }
  /// Goes on drawing as another entry of the decode batch, and ends at these tokens.
  void move_in_decode(uint32_t entry, std::span<const Token> end_tokens) {
    memory().move_in_decode(entry, end_tokens);
  }
  /// Only tokens whose bit is set may be drawn from now on; see SlotMemory::set_mask(). begin() ends it.
  void set_mask(std::span<const uint32_t> bits) { memory().set_mask(bits); }
  /// Goes on drawing after tokens were dropped.
  void resume(uint64_t seed) { memory().resume(tokens, stream_of(seed)); }
  /// Makes the sampler pass this sequence over. Returns whether it did not already.
  bool end() { return memory().end(); }
  /// Takes the `index`-th token drawn since begin(), once; its step must be done.
  Token drawn(uint32_t index) { return memory().drawn(index); }

 private:
  SlotMemory& memory() {
    if (memory_ == nullptr) throw vulkan::DeviceLost("the device was lost");
    return *memory_;
  }

  /// What another sequence refers to must not be written: a page that both have is computed again as a whole.
  void set_back(uint32_t length) {
    computed = std::min(computed, length);
    if (memory_ != nullptr && memory_->shares(computed)) {
      computed -= computed % kernels::kPageTokens;
      memory_->keep(computed);
    }
    cached.resize(std::min<size_t>(cached.size(), computed / kernels::kPageTokens));
  }

  /// Draws are numbered by position (glsl/sample_state.glsl), and positions come again when tokens are
  /// dropped: so each time a sequence draws from another stream of the same seed.
  uint64_t stream_of(uint64_t seed) const {
    return seed ^ uint64_t { shifted.dropped } << 32;
  }

  SlotMemory* memory_ = nullptr;
};

inline void Slot::adopt(std::span<const KvPages::Page> pages) {
  const uint32_t own = computed / kernels::kPageTokens;
  memory().adopt(own, pages);
  computed = (own + static_cast<uint32_t>(pages.size())) * kernels::kPageTokens;
}

inline void Slot::adopt(const Slot& other, uint32_t count) {
  const uint32_t own = computed / kernels::kPageTokens;
  adopt(other.memory_->pages().subspan(own, count - own));
  for (uint32_t page = kept.full_pages(); page < std::min(count, other.kept.full_pages()); ++page) {
    if (!other.kept.pages()[page].turns.empty()) break;
    kept.add(other.kept.pages()[page]);
  }
}

}  // namespace caldera::engine
