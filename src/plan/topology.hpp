// How the memory of a device is divided: its heaps, the types of memory in them, and what it refuses.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace caldera::plan {

enum class DeviceType { kIntegrated, kDiscrete, kVirtual, kCpu, kOther };

/// One heap. Sizes in bytes.
struct Heap {
  uint64_t bytes = 0;
  bool device_local = false;
  std::optional<uint64_t> budget;  ///< what the driver would give this process, with what it holds already
};

/// One kind of memory in a heap, as Vulkan lists them.
struct MemoryType {
  uint32_t heap = 0;
  bool device_local = false;
  bool host_visible = false;
  bool host_coherent = false;
  bool host_cached = false;
  bool special = false;  ///< protected, lazily allocated, uncached: needs features that are not switched on
};

/// In 10^9 bytes a second.
struct Bandwidth {
  double peak = 0;      ///< by the datasheet
  double measured = 0;  ///< that a plain read kernel reaches
};

/// A device's memory, as a driver reports it or as a row of a table describes it.
struct Topology {
  std::string name;
  std::string machine;  ///< in words
  DeviceType type = DeviceType::kOther;
  std::vector<Heap> heaps;
  std::vector<MemoryType> types;
  uint64_t max_allocation = 0;     ///< bytes of one allocation; 0: not known
  uint64_t max_buffer = 0;         ///< bytes of one buffer; 0: not known
  uint64_t max_storage_range = 0;  ///< bytes of one binding; 0: not known
  std::optional<Bandwidth> bandwidth;
  bool matrix_units = false;  ///< it multiplies matrices: prompts are read there

  /// CPU and GPU share one memory: every heap runs at the same speed.
  bool unified() const { return type == DeviceType::kIntegrated || type == DeviceType::kCpu; }
};

}  // namespace caldera::plan
