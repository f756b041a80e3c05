// Keys and values kept on the host: what Engine copies when, and how a new device gets them back.
#include <algorithm>
#include <map>
#include <set>

#include "caldera/error.hpp"
#include "engine/engine.hpp"
#include "engine/page_shift.hpp"
#include "machine/gpu.hpp"
#include "machine/host_memory.hpp"
#include "model/plan_shape.hpp"
#include "model/rope_table.hpp"
#include "plan/limits.hpp"
#include "plan/usable_heaps.hpp"
#include "vulkan/physical_device.hpp"

namespace caldera::engine {

using kernels::kPageTokens;

void Engine::demand_room_to_keep() const {
  if (!options_.keep_kv) return;
  // As with the device's memory: who asks for no context gets as much as there is, and a usual one for
  // certain.
  const uint32_t context = options_.context > 0 ? context_ : std::min(context_, plan::kUsualContext);
  const uint64_t pages = (uint64_t{context} + kPageTokens - 1) / kPageTokens;
  uint64_t room = machine::available_ram();
  if (room == UINT64_MAX) return;
  room -= std::min(room, plan::kHostReserve);
  const bool unified = vulkan::topology_of(resident().physical()).unified();
  if (unified) room += machine::free_carve_out();
  demand_host_memory(slots_.size() * pages * model::page_bytes(spec_, options_.kv), slots_.size() * context,
                     room, unified);
}

void Engine::keep_pages() {
  PageCopier* copier = resident().copier();
  if (copier == nullptr) return;
  copier->collect();
  for (uint32_t i = 0; i < slots_.size(); ++i) {
    Slot& slot = slots_[i];
    const std::span<const KvPages::Page> pages = resident().slot(i).pages();
    while (slot.kept.full_pages() < slot.computed / kPageTokens) {
      if (!keep_page(slot, pages[slot.kept.full_pages()], kPageTokens)) break;
    }
  }
}

bool Engine::keep_page(Slot& slot, const KvPages::Page& page, uint32_t tokens) {
  std::shared_ptr<HostPage> copy = take_host_page(page->bytes());
  if (copy == nullptr) return false;  // then it is read again
  resident().copier()->start(page, copy);
  slot.kept.add({std::move(copy), tokens, {}});
  return true;
}

void Engine::keep_tail(uint32_t index) {
  if (resident().copier() == nullptr) return;
  Slot& slot = slots_[index];
  const uint32_t rest = slot.computed % kPageTokens;
  if (rest == 0 || slot.kept.full_pages() < slot.computed / kPageTokens) return;
  keep_page(slot, resident().slot(index).pages()[slot.kept.full_pages()], rest);
}

void Engine::wait_all() {
  resident().wait_all();
  if (resident().copier() == nullptr) return;
  keep_pages();
  resident().copier()->finish();
}

uint32_t Engine::share_kept(uint32_t index) {
  Slot& slot = slots_[index];
  const std::span<const KeptKv::Page> pages = slot.kept.pages();
  const auto same = [](const KeptKv::Page& one, const KeptKv::Page& other) {
    return one.copy == other.copy && one.turns.empty() && other.turns.empty();
  };
  for (uint32_t i = 0; i < index; ++i) {
    const std::span<const KeptKv::Page> others = slots_[i].kept.pages();
    const auto count = static_cast<uint32_t>(std::ranges::mismatch(pages, others, same).in1 - pages.begin());
    if (count == 0 || slots_[i].computed < slots_[i].kept.tokens()) continue;
    slot.adopt(slots_[i], count);
    return count;
  }
  return 0;
}

void Engine::restore_kept(uint32_t index) {
  Slot& slot = slots_[index];
  if (slot.kept.pages().empty()) return;
  try {
    const uint32_t shared = share_kept(index);
    slot.reserve(slot.kept.tokens());
    resident().restore(index, shared, slot.kept.pages());
    slot.computed = slot.kept.tokens();
  } catch (const vulkan::DeviceLost&) {
    throw;
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::kMemory) throw;
    slot.forget(0);  // it is read again, and whoever needs the memory hears of it then
  }
}

uint64_t Engine::kept_bytes() const {
  std::set<const HostPage*> pages;
  for (const Slot& slot : slots_) {
    for (const KeptKv::Page& page : slot.kept.pages()) pages.insert(page.copy.get());
  }
  return pages.size() * model::page_bytes(spec_, options_.kv);
}

void ResidentModel::restore(uint32_t slot, uint32_t there, std::span<const KeptKv::Page> kept) {
  const std::span<const KvPages::Page> pages = slots_[slot]->pages();
  for (size_t i = there; i < kept.size(); ++i) device_.upload(*pages[i], 0, kept[i].copy->span());
  device_.end_uploads();
  // Turn after turn as they came, for keys are rounded after each.
  for (size_t turn = 0;; ++turn) {
    std::map<uint32_t, std::vector<kernels::PageMove>> by_distance;
    for (size_t i = 0; i < kept.size(); ++i) {
      if (kept[i].turns.size() <= turn) continue;
      const uint64_t address = pages[i]->address();
      by_distance[kept[i].turns[turn]].push_back({address, address});
    }
    if (by_distance.empty()) return;
    for (const auto& [distance, moves] : by_distance) {
      shift_pages(device_, kernels_, model::shift_pass(spec_, kv_), moves,
                  model::rope_turn(spec_.rope, weights_.rope_factors, distance), pages_.page_bytes());
    }
  }
}

}  // namespace caldera::engine
