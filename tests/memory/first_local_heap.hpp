// Where a program puts a model that looks for one heap to fill.
#pragma once

#include <cstdint>

#include "plan/topology.hpp"

namespace caldera::test {

/// The first type in the first device-local heap.
inline uint32_t first_local_type(const plan::Topology& topology) {
  for (uint32_t heap = 0; heap < topology.heaps.size(); ++heap) {
    if (!topology.heaps[heap].device_local) continue;
    for (uint32_t type = 0; type < topology.types.size(); ++type) {
      if (topology.types[type].heap == heap) return type;
    }
  }
  return 0;
}

}  // namespace caldera::test
