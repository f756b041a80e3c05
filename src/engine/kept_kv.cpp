#include "engine/kept_kv.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <new>

#include "caldera/error.hpp"
#include "kernels/state.hpp"
#include "machine/host_memory.hpp"
#include "plan/usable_heaps.hpp"

namespace caldera::engine {

using kernels::kPageTokens;

void demand_host_memory(uint64_t bytes, uint64_t tokens, uint64_t room, bool unified) {
  const uint64_t needed = unified ? 2 * bytes : bytes;
  if (needed <= room) return;
  constexpr double kMiB = 1 << 20;
  throw Error(
      ErrorKind::kMemory,
      fmt::format("keeping keys and values of {} tokens on the host takes {:.0f} MiB{}, and {:.0f} MiB "
                  "are available: take a smaller --context or --kv, or do without --keep-kv",
                  tokens, static_cast<double>(needed) / kMiB,
                  unified ? ", half of them for the pages themselves" : "",
                  static_cast<double>(room) / kMiB));
}

std::shared_ptr<HostPage> take_host_page(uint64_t bytes) {
  const uint64_t ram = machine::available_ram();
  if (ram < bytes || ram - bytes < plan::kHostReserve) return nullptr;
  auto page = std::make_shared<HostPage>();
  // Not cleared: all of it is overwritten.
  page->bytes.reset(new (std::nothrow) std::byte[bytes]);
  if (page->bytes == nullptr) return nullptr;
  page->size = bytes;
  return page;
}

uint32_t KeptKv::full_pages() const {
  return tokens() / kPageTokens;
}

uint32_t KeptKv::tokens() const {
  return pages_.empty() ? 0 : static_cast<uint32_t>(pages_.size() - 1) * kPageTokens + pages_.back().tokens;
}

void KeptKv::add(Page page) {
  pages_.resize(full_pages());
  pages_.push_back(std::move(page));
}

void KeptKv::truncate(uint32_t length) {
  if (length >= tokens()) return;
  pages_.resize(std::min<size_t>(pages_.size(), length / kPageTokens));
}

void KeptKv::drop(const ContextShift& shift) {
  if (tokens() < shift.kept + shift.dropped) return truncate(shift.kept);
  const auto first = pages_.begin() + shift.kept / kPageTokens;
  const auto behind = pages_.erase(first, first + shift.dropped / kPageTokens);
  std::for_each(behind, pages_.end(), [&](Page& page) { page.turns.push_back(shift.dropped); });
}

void KeptKv::forget_incomplete() {
  const auto incomplete = std::ranges::find_if(pages_, [](const Page& page) { return !page.copy->complete; });
  pages_.erase(incomplete, pages_.end());
}

}  // namespace caldera::engine
