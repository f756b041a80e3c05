// Which heaps of a device hold models, in which order, and how much of each: asked by the planner before
// loading and by the memory pool while it loads, so that the one tells what the other does.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "plan/topology.hpp"

namespace caldera::plan {

/// How a heap is reached.
enum class Reach {
  kNear,  ///< at the speed of the device's memory
  kFar,   ///< host memory across the bus of a discrete device
};

struct UsableHeap {
  uint32_t heap = 0;  ///< index into Topology::heaps
  uint32_t type = 0;  ///< index into Topology::types: the memory that weights are put into
  Reach reach = Reach::kNear;
  uint64_t bytes = 0;    ///< to be filled: the heap, or its budget if that is less, minus the reserve
  uint64_t reserve = 0;  ///< left to the desktop and the driver
};

/// Whether a heap is only a small host-visible window onto a device's memory: under 1/16 of its largest local
/// heap.
bool is_window(const Topology& topology, uint32_t heap);

/// What is left of a heap of `bytes` for others: 1/64 of it, at most 512 MiB.
uint64_t heap_reserve(uint64_t bytes);

/// Left of the host's memory for everyone else, whatever a driver would grant: below this a system starts to
/// kill.
inline constexpr uint64_t kHostReserve = uint64_t{512} << 20;

/// The heaps that weights and KV memory may lie in, in the order of filling: near before far, device-local
/// before others, large before small. A unified device: all of them. A discrete one: its own memory, then the
/// host's. A window is left out, and so is a heap without memory that buffers may use. `allowed_types`: bit i
/// says that buffers may lie in types[i]. `prefer_host_visible`: take host-visible memory where a heap has
/// both (the host then writes straight into place).
std::vector<UsableHeap> usable_heaps(const Topology& topology, uint32_t allowed_types = UINT32_MAX,
                                     bool prefer_host_visible = true);

/// The bytes of those with this reach.
uint64_t usable_bytes(const std::vector<UsableHeap>& heaps, Reach reach);

}  // namespace caldera::plan
