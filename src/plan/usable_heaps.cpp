#include "plan/usable_heaps.hpp"

#include <algorithm>
#include <tuple>

namespace caldera::plan {
namespace {

/// A discrete card without resizable BAR shows 256 MiB of its memory to the host, 1/31 of it or less.
constexpr uint64_t kWindowShare = 16;

/// The type of memory of a heap that weights are put into, or nothing.
std::optional<uint32_t> weight_type(const Topology& topology, uint32_t heap, uint32_t allowed, bool visible) {
  std::optional<uint32_t> best;
  int best_score = -1;
  for (uint32_t i = 0; i < topology.types.size(); ++i) {
    const MemoryType& type = topology.types[i];
    if (type.heap != heap || type.special || (allowed >> i & 1) == 0) continue;
    // Memory that the host must flush by hand would need it after every write.
    if (type.host_visible && !type.host_coherent) continue;
    // A GPU's reads of memory that the CPU caches must ask the CPU's caches first.
    const int score =
        (type.device_local ? 4 : 0) + (type.host_visible == visible ? 2 : 0) + (type.host_cached ? 0 : 1);
    if (score > best_score) {
      best = i;
      best_score = score;
    }
  }
  return best;
}

}  // namespace

bool is_window(const Topology& topology, uint32_t heap) {
  uint64_t largest = 0;
  for (const Heap& other : topology.heaps) {
    if (other.device_local) largest = std::max(largest, other.bytes);
  }
  return topology.heaps[heap].device_local && topology.heaps[heap].bytes < largest / kWindowShare;
}

uint64_t heap_reserve(uint64_t bytes) {
  return std::min(bytes / 64, uint64_t{512} << 20);
}

std::vector<UsableHeap> usable_heaps(const Topology& topology, uint32_t allowed_types,
                                     bool prefer_host_visible) {
  std::vector<UsableHeap> usable;
  for (uint32_t i = 0; i < topology.heaps.size(); ++i) {
    const Heap& heap = topology.heaps[i];
    if (heap.bytes == 0 || is_window(topology, i)) continue;
    const Reach reach = topology.unified() || heap.device_local ? Reach::kNear : Reach::kFar;
    // Far memory is the host's: what the device cannot share with it is of no use.
    const std::optional<uint32_t> type =
        weight_type(topology, i, allowed_types, prefer_host_visible || reach == Reach::kFar);
    if (!type) continue;
    const uint64_t reserve = heap_reserve(heap.bytes);
    const uint64_t granted = std::min(heap.bytes, heap.budget.value_or(heap.bytes));
    usable.push_back({i, *type, reach, granted > reserve ? granted - reserve : 0, reserve});
  }
  std::stable_sort(usable.begin(), usable.end(), [&](const UsableHeap& a, const UsableHeap& b) {
    const auto key = [&](const UsableHeap& heap) {
      return std::make_tuple(heap.reach, !topology.heaps[heap.heap].device_local, UINT64_MAX - heap.bytes);
    };
    return key(a) < key(b);
  });
  return usable;
}

uint64_t usable_bytes(const std::vector<UsableHeap>& heaps, Reach reach) {
  uint64_t bytes = 0;
  for (const UsableHeap& heap : heaps) {
    if (heap.reach == reach) bytes += heap.bytes;
  }
  return bytes;
}

}  // namespace caldera::plan
