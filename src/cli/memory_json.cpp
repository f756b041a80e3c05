#include "cli/memory_json.hpp"

namespace caldera::cli {

nlohmann::ordered_json to_json(const MemoryUse& memory) {
  nlohmann::ordered_json heaps = nlohmann::ordered_json::array();
  for (const HeapUse& heap : memory.heaps) {
    heaps.push_back({{"heap", heap.heap},
                     {"near", heap.near},
                     {"weights", heap.weights},
                     {"kv", heap.kv},
                     {"activations", heap.activations},
                     {"staging", heap.staging},
                     {"reserved", heap.reserved},
                     {"chunks", heap.chunks}});
  }
  return {{"weights", memory.weights},         {"kv", memory.kv},
          {"kv_limit", memory.kv_limit},       {"activations", memory.activations},
          {"staging", memory.staging},         {"imported", memory.imported},
          {"far_weights", memory.far_weights}, {"kept_kv", memory.kept_kv},
          {"heaps", std::move(heaps)},         {"total", memory.total()}};
}

}  // namespace caldera::cli
