#include "engine/slot_memory.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

#include "caldera/error.hpp"
#include "vulkan/device_lost.hpp"

namespace caldera::engine {
namespace {

using vulkan::Purpose;
using vulkan::Residency;

/// No token: what the results ring holds where nothing was drawn.
constexpr uint32_t kNothing = UINT32_MAX;

/// Says where in the decode batch a sequence is, and where it ends.
void place(kernels::Sequence& state, uint32_t entry, std::span<const Token> end_tokens) {
  state.decode_entry = entry;
  // The host checks every token too; the device only stops early for as many as it can hold.
  state.end_count = static_cast<uint32_t>(std::min<size_t>(end_tokens.size(), kernels::kMaxEndTokens));
  for (uint32_t i = 0; i < state.end_count; ++i) state.end_token[i] = static_cast<uint32_t>(end_tokens[i]);
}

uint32_t pages_for(uint32_t tokens) {
  return (tokens + kernels::kPageTokens - 1) / kernels::kPageTokens;
}

}  // namespace

SlotMemory::SlotMemory(vulkan::Device& device, KvPages& pages, uint32_t vocabulary, uint32_t context)
    : device_(device), pages_(pages), vocabulary_(vocabulary) {
  const auto shared = [&](uint64_t bytes, const char* what) {
    return device.memory().allocate(bytes, Residency::kHostWrite, Purpose::kActivations, what);
  };
  table_ = shared(uint64_t{pages_for(context)} * sizeof(uint64_t), "a page table");
  sequence_ = shared(sizeof(kernels::Sequence), "a sequence's state");
  counts_ = shared(uint64_t{vocabulary} * sizeof(uint32_t), "token counts");
  history_ = shared((uint64_t{context} + 1) * sizeof(uint32_t), "token history");
  results_ = device.memory().allocate(kernels::kResultRing * sizeof(uint32_t), Residency::kHostRead,
                                      Purpose::kActivations, "drawn tokens");
  addresses_ = shared(sizeof(kernels::SlotAddresses), "a slot's addresses");
  const kernels::SlotAddresses addresses{sequence_.address(), counts_.address(), history_.address(),
                                         results_.address(), 0};
  std::memcpy(addresses_.host(), &addresses, sizeof(addresses));
}

void SlotMemory::reserve(uint32_t count) {
  while (held_.size() < pages_for(count)) {
    held_.push_back(pages_.take());
    write_table(held_.size() - 1);
  }
}

void SlotMemory::write_table(size_t first) {
  for (size_t i = first; i < held_.size(); ++i) {
    const uint64_t address = held_[i]->address();
    std::memcpy(table_.host() + i * sizeof(address), &address, sizeof(address));
  }
}

SlotMemory::PageDrop SlotMemory::plan_drop(uint32_t first, uint32_t count, uint32_t used) {
  PageDrop drop{first, {held_.begin(), held_.begin() + first}, {}};
  for (size_t i = first + count; i < used; ++i) {
    const bool shared = held_[i].use_count() > 1;
    drop.pages.push_back(shared ? pages_.take() : held_[i]);
    drop.moves.push_back({held_[i]->address(), drop.pages.back()->address()});
  }
  return drop;
}

void SlotMemory::drop(PageDrop drop) {
  held_ = std::move(drop.pages);
  write_table(drop.first);
}

bool SlotMemory::shares(uint32_t position) const {
  const size_t page = position / kernels::kPageTokens;
  return page < held_.size() && held_[page].use_count() > 1;
}

void SlotMemory::adopt(uint32_t first, std::span<const KvPages::Page> pages) {
  held_.resize(std::max(held_.size(), first + pages.size()));
  std::ranges::copy(pages, held_.begin() + first);
  write_table(first);
}

void SlotMemory::keep(uint32_t count) {
  held_.resize(std::min<size_t>(held_.size(), pages_for(count)));
}

void SlotMemory::fill_penalty_window(std::span<const Token> tokens, uint32_t window) {
  std::memset(counts_.host(), 0, uint64_t{vocabulary_} * sizeof(uint32_t));
  std::vector<uint32_t> counts(vocabulary_);
  for (size_t i = tokens.size() - std::min<size_t>(tokens.size(), window); i < tokens.size(); ++i) {
    ++counts[static_cast<uint32_t>(tokens[i])];
  }
  std::memcpy(counts_.host(), counts.data(), counts.size() * sizeof(uint32_t));
  std::memcpy(history_.host(), tokens.data(), tokens.size() * sizeof(uint32_t));
}

void SlotMemory::begin(std::span<const Token> tokens, const SamplingOptions& sampling, uint64_t seed,
                       uint32_t decode_entry, std::span<const Token> end_tokens) {
  kernels::Sequence state{};
  state.temperature = sampling.temperature;
  state.top_p = sampling.top_p;
  state.min_p = sampling.min_p;
  state.repeat_penalty = sampling.repeat_penalty;
  state.presence_penalty = sampling.presence_penalty;
  state.frequency_penalty = sampling.frequency_penalty;
  state.top_k = sampling.top_k;
  const bool penalties =
      sampling.repeat_penalty != 1 || sampling.presence_penalty != 0 || sampling.frequency_penalty != 0;
  state.penalty_window = penalties ? sampling.penalty_window : 0;
  state.seed_low = static_cast<uint32_t>(seed);
  state.seed_high = static_cast<uint32_t>(seed >> 32);
  place(state, decode_entry, end_tokens);
  std::memset(results_.host(), 0xff, kernels::kResultRing * sizeof(kNothing));
  if (state.penalty_window > 0) fill_penalty_window(tokens, state.penalty_window);
  std::memcpy(sequence_.host(), &state, sizeof(state));
  set_mask({});
}

void SlotMemory::move_in_decode(uint32_t entry, std::span<const Token> end_tokens) {
  place(*reinterpret_cast<kernels::Sequence*>(sequence_.host()), entry, end_tokens);
}

void SlotMemory::set_mask(std::span<const uint32_t> bits) {
  auto& addresses = *reinterpret_cast<kernels::SlotAddresses*>(addresses_.host());
  addresses.mask = 0;
  if (bits.empty()) return;
  const uint64_t bytes = (uint64_t{vocabulary_} + 31) / 32 * sizeof(uint32_t);
  if (!mask_) {
    mask_ =
        device_.memory().allocate(bytes, Residency::kHostWrite, Purpose::kActivations, "a mask of tokens");
  }
  std::memcpy(mask_.host(), bits.data(), std::min<uint64_t>(bytes, bits.size_bytes()));
  addresses.mask = mask_.address();
}

void SlotMemory::resume(std::span<const Token> tokens, uint64_t seed) {
  auto& state = *reinterpret_cast<kernels::Sequence*>(sequence_.host());
  state.seed_low = static_cast<uint32_t>(seed);
  state.seed_high = static_cast<uint32_t>(seed >> 32);
  if (state.penalty_window > 0) fill_penalty_window(tokens, state.penalty_window);
}

bool SlotMemory::end() {
  uint32_t& ended = reinterpret_cast<kernels::Sequence*>(sequence_.host())->ended;
  const bool was_running = ended == 0;
  ended = 1;
  return was_running;
}

Token SlotMemory::drawn(uint32_t index) {
  std::byte* place = results_.host() + index % kernels::kResultRing * sizeof(uint32_t);
  uint32_t token = 0;
  std::memcpy(&token, place, sizeof(token));
  // What is waited for on a lost device may be reported as done.
  if (token == kNothing) throw vulkan::DeviceLost("the device says that it is done, and has drawn no token");
  std::memcpy(place, &kNothing, sizeof(kNothing));
  if (token >= vocabulary_) {
    throw Error(ErrorKind::kDevice,
                "the device drew a token outside the vocabulary: its driver computed wrongly");
  }
  return static_cast<Token>(token);
}

}  // namespace caldera::engine
