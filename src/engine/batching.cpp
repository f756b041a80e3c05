// What the engine does for sequences that come and go while others decode.
#include <algorithm>
#include <bit>

#include "caldera/error.hpp"
#include "engine/engine.hpp"

namespace caldera::engine {
namespace {

using kernels::kPageTokens;

/// Fewer tokens of a prompt are not worth a read of the weights.
constexpr uint32_t kLeastRead = 8;

std::span<const Token> page_of(const Slot& slot, size_t page) {
  return std::span(slot.tokens).subspan(page * kPageTokens, kPageTokens);
}

}  // namespace

void Engine::tune_steps() {
  for (uint32_t vectors = 1; vectors < 2 * slots_.size(); vectors *= 2)
    resident().tune_once(std::min(vectors, sequences()));
}

uint64_t Engine::planned_pages() const {
  return slots_.size() * ((uint64_t{context_} + kPageTokens - 1) / kPageTokens);
}

void Engine::keep_prefixes(std::optional<uint64_t> pages) {
  most_prefixes_ = pages;
  trim_prefixes();
}

void Engine::trim_prefixes() {
  uint64_t most = most_prefixes_.value_or(0);
  if (!most_prefixes_ && resident_ != nullptr) {
    uint64_t held = 0;
    for (uint32_t i = 0; i < slots_.size(); ++i) held += resident_->slot(i).pages().size();
    most = planned_pages() - std::min(planned_pages(), held);
  }
  for (uint64_t idle = prefixes_.idle(); idle > most && prefixes_.evict();) --idle;
}

uint32_t Engine::adopt_kept_prefix(uint32_t index) {
  Slot& slot = slots_[index];
  const uint32_t own = slot.computed / kPageTokens;
  if (slot.cached.size() < own || slot.tokens.empty()) return 0;
  std::vector<KvPages::Page> pages;
  std::vector<PrefixCache::Id> ids(slot.cached.begin(), slot.cached.begin() + own);
  // The last token is read in any case.
  for (size_t page = own; page < (slot.tokens.size() - 1) / kPageTokens; ++page) {
    PrefixCache::Found found = prefixes_.find(ids.empty() ? 0 : ids.back(), page_of(slot, page));
    if (found.id == 0) break;
    ids.push_back(found.id);
    pages.push_back(std::move(found.page));
  }
  if (pages.empty()) return 0;
  resident().wait_all();
  const uint32_t before = slot.computed;
  slot.adopt(pages);
  slot.cached = std::move(ids);
  return slot.computed - before;
}

void Engine::keep_prefix(uint32_t index) {
  Slot& slot = slots_[index];
  if (slot.cached.size() >= slot.computed / kPageTokens || slot.shifted.dropped > 0) return;
  const std::span<const KvPages::Page> pages = resident().slot(index).pages();
  for (size_t page = slot.cached.size(); page < slot.computed / kPageTokens; ++page) {
    const PrefixCache::Id before = page == 0 ? 0 : slot.cached.back();
    slot.cached.push_back(prefixes_.add(before, page_of(slot, page), pages[page]));
  }
  trim_prefixes();
}

void Engine::release_slot(uint32_t index) {
  prefixes_.touch(slots_[index].cached);
  truncate_slot(index, 0);
  trim_prefixes();
}

void Engine::reserve(uint32_t index, uint32_t count) {
  for (;;) {
    try {
      return slots_[index].reserve(count);
    } catch (const Error& error) {
      if (error.kind() != ErrorKind::kMemory || !prefixes_.evict()) throw;
    }
  }
}

uint32_t Engine::read_some(uint32_t index, uint32_t most, const std::function<bool()>& go_on) {
  Slot& slot = slots_[index];
  const auto total = static_cast<uint32_t>(slot.tokens.size());
  slot.rewind(total - 1);
  const uint32_t before = slot.computed;
  const auto progress = [&](uint32_t, uint32_t) { return go_on(); };
  if (!submit_read(index, std::min(total, before + most), before, progress)) return 0;
  return slot.computed - before;
}

void Engine::begin_parked(uint32_t index, const SamplingOptions& sampling, uint64_t seed) {
  slots_[index].begin(sampling, seed, resident().parked_entry(), {});
}

void Engine::draw_after(uint32_t slot, uint32_t read) {
  keep_tail(slot);
  wait(resident().submit_outputs(read - 1, 1, true));
}

std::vector<float> Engine::hidden_of_read(uint32_t first, uint32_t rows) {
  wait(resident().submit_hidden());
  return resident().download_hidden(first, rows);
}

void Engine::set_decode(std::span<const uint32_t> slots,
                        std::span<const std::vector<Token>* const> end_tokens) {
  if (slots.empty() && resident_ == nullptr) return;
  begin_decode(slots);
  for (uint32_t i = 0; i < slots.size(); ++i) slots_[slots[i]].move_in_decode(i, *end_tokens[i]);
}

uint32_t Engine::tokens_within(double seconds, uint32_t first, uint32_t left) {
  uint32_t tokens = std::bit_ceil(std::min(left, most_read()));
  while (tokens > kLeastRead && seconds_to_read(first, std::min(tokens, left)) > seconds) tokens /= 2;
  return std::min(tokens, left);
}

}  // namespace caldera::engine
