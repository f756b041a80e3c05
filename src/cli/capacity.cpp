#include "cli/capacity.hpp"

#include <algorithm>

#include "plan/usable_heaps.hpp"

namespace caldera::cli {
namespace {

using machine::Gpu;
using machine::Machine;

constexpr uint64_t kMib = uint64_t{1} << 20;
constexpr uint64_t kGib = uint64_t{1} << 30;
/// The smallest carve-out that firmware offers (some: 4 GiB, which is left as it is).
constexpr uint64_t kSmallestCarveOut = 512 * kMib;
constexpr uint64_t kLargeCarveOut = 4 * kGib;
using plan::kHostReserve;

uint64_t minus(uint64_t from, uint64_t bytes) {
  return from > bytes ? from - bytes : 0;
}

uint64_t plus(uint64_t a, uint64_t b) {
  return a > UINT64_MAX - b ? UINT64_MAX : a + b;
}

/// One type for each heap, of the kind that weights would lie in: what is listed of a device names no types.
plan::Topology topology_of(const DeviceInfo& device, bool with_budgets) {
  plan::Topology topology;
  topology.type = device.type == "integrated" ? plan::DeviceType::kIntegrated
                  : device.type == "discrete" ? plan::DeviceType::kDiscrete
                  : device.type == "cpu"      ? plan::DeviceType::kCpu
                                              : plan::DeviceType::kOther;
  for (const HeapInfo& heap : device.heaps) {
    topology.types.push_back({.heap = static_cast<uint32_t>(topology.heaps.size()),
                              .device_local = heap.device_local,
                              .host_visible = true,
                              .host_coherent = true});
    topology.heaps.push_back(
        {heap.bytes, heap.device_local, with_budgets ? heap.budget : std::optional<uint64_t>()});
  }
  return topology;
}

uint64_t usable_bytes(const DeviceInfo& device, plan::Reach reach, bool with_budgets) {
  return plan::usable_bytes(plan::usable_heaps(topology_of(device, with_budgets)), reach);
}

/// What RADV makes of a GPU that works in the system's memory: two thirds of all of it device-local, the rest
/// not. Source: Mesa, src/amd/vulkan/radv_physical_device.c.
uint64_t usable_of_shared(uint64_t carve_out, uint64_t gtt) {
  const uint64_t all = plus(carve_out, gtt);
  DeviceInfo device;
  device.type = "integrated";
  device.heaps = {{all - all / 3 * 2, false, {}, {}}, {all / 3 * 2, true, {}, {}}};
  return usable_bytes(device, plan::Reach::kNear, false);
}

uint64_t free_carve_outs(const Machine& machine) {
  uint64_t bytes = 0;
  for (const Gpu& gpu : machine.gpus) {
    if (gpu.integrated) bytes = plus(bytes, minus(gpu.vram_total.value_or(0), gpu.vram_used.value_or(0)));
  }
  return bytes;
}

BestSettings best_settings(const Machine& machine, const Gpu& gpu) {
  const uint64_t carve_out = gpu.vram_total.value_or(0);
  BestSettings best;
  best.carve_out = carve_out > kLargeCarveOut ? kSmallestCarveOut : carve_out;
  const uint64_t ram = plus(machine.memory.total, carve_out - best.carve_out);
  best.gtt = minus(ram, system_reserve(ram)) / kGib * kGib;
  // Who grants more than that already knows why.
  const uint64_t gtt = gpu.gtt_total.value_or(0);
  if (best.carve_out == carve_out) best.gtt = std::max(best.gtt, gtt);
  return best;
}

}  // namespace

uint64_t system_reserve(uint64_t ram) {
  return std::max(8 * kGib, ram / 16);
}

const DeviceInfo* device_for_models(const std::vector<DeviceInfo>& devices) {
  const auto chosen = std::ranges::find_if(devices, &DeviceInfo::chosen);
  if (chosen != devices.end()) return &*chosen;
  const auto usable = std::ranges::find_if(devices, &DeviceInfo::usable);
  return usable != devices.end() ? &*usable : nullptr;
}

const Gpu* shared_memory_gpu(const Machine& machine, const DeviceInfo* device) {
  if (device != nullptr && device->type != "integrated" && device->type != "cpu") return nullptr;
  const auto is_amd = [](const Gpu& gpu) {
    return gpu.driver == "amdgpu" && gpu.vram_total && gpu.gtt_total;
  };
  const auto known =
      std::ranges::find_if(machine.gpus, [&](const Gpu& gpu) { return is_amd(gpu) && gpu.integrated; });
  if (known != machine.gpus.end()) return &*known;
  // One that is not in the table of processors, but that the Vulkan driver calls integrated.
  if (device == nullptr || device->type != "integrated" || std::ranges::count_if(machine.gpus, is_amd) != 1)
    return nullptr;
  return &*std::ranges::find_if(machine.gpus, is_amd);
}

Capacity capacity_of(const Machine& machine, const DeviceInfo* device) {
  Capacity capacity;
  const uint64_t host = minus(std::min(machine.memory.available, machine.cgroup.left), kHostReserve);
  const uint64_t whole_host = minus(std::min(machine.memory.total, machine.cgroup.limit), kHostReserve);
  if (device != nullptr) {
    capacity.granted = usable_bytes(*device, plan::Reach::kNear, false);
    capacity.now = usable_bytes(*device, plan::Reach::kNear, true);
    if (device->type == "integrated") {
      capacity.granted = std::min(capacity.granted, plus(machine.cgroup.limit, free_carve_outs(machine)));
      capacity.now = std::min(capacity.now, plus(host, free_carve_outs(machine)));
    } else if (device->type == "cpu") {
      // A software driver that does not watch memory reports a heap of any size (Mesa 22: 2 GiB).
      const bool guesses = !device->memory_budget;
      capacity.granted = guesses ? whole_host : std::min(capacity.granted, whole_host);
      capacity.now = guesses ? host : std::min(capacity.now, host);
    } else {
      capacity.far_now = std::min(usable_bytes(*device, plan::Reach::kFar, true), host);
      // What a recorded or old driver does not say of other programs, amdgpu does.
      if (!device->memory_budget && machine.gpus.size() == 1)
        capacity.now = minus(capacity.now, machine.gpus.front().vram_used.value_or(0));
    }
  }
  capacity.could = capacity.granted;
  if (const Gpu* gpu = shared_memory_gpu(machine, device);
      gpu != nullptr && machine.memory.total != UINT64_MAX) {
    capacity.best = best_settings(machine, *gpu);
    capacity.could = std::max(capacity.could, usable_of_shared(capacity.best->carve_out, capacity.best->gtt));
  } else if (device == nullptr || device->type == "cpu") {
    for (const Gpu& card : machine.gpus) {
      const uint64_t bytes = card.vram_total.value_or(0);
      if (!card.integrated)
        capacity.could = std::max(capacity.could, minus(bytes, plan::heap_reserve(bytes)));
    }
  }
  capacity.granted = std::max(capacity.granted, capacity.now);
  return capacity;
}

}  // namespace caldera::cli
