// A decode step of sequences that are not there, so that a step can be timed before anyone asks for one.
#pragma once

#include <cstdint>
#include <set>

#include "engine/kv_pages.hpp"
#include "kernels/kernels.hpp"
#include "model/program.hpp"
#include "vulkan/device.hpp"

namespace caldera::engine {

/// Overwrites activations and logits, and its own page of KV memory; nothing is sampled.
class StepRehearsal {
 public:
  /// `slot`: one that no sequence has; its page table is the last that `page_tables` names, and is there as
  /// long as the rehearsal. Errors: kMemory.
  StepRehearsal(vulkan::Device& device, kernels::Kernels& kernels, const model::Program& program,
                KvPages& pages, vulkan::Allocation& page_tables, uint32_t slot, uint32_t sequences);

  /// Records the beginning of a step, layers that read about `bytes` of weights, and gives the keys of the
  /// products in it.
  std::set<kernels::ProductKey> record(vulkan::Recording& recording, uint64_t bytes);

 private:
  kernels::Kernels& kernels_;
  const model::Program& program_;
  uint32_t sequences_;
  KvPages::Page page_;
  vulkan::Allocation table_;
  vulkan::Allocation batch_;
};

}  // namespace caldera::engine
