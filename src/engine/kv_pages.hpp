// KV memory in pages of a fixed number of tokens, counted by the sequences that refer to them.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "vulkan/device.hpp"

namespace caldera::engine {

/// The pages of all sequences. Pages come from the device's pool one by one, as sequences grow, and may lie
/// in any chunk and heap: kernels reach them by address.
class KvPages {
 public:
  /// `page_bytes`: kernels::kPageTokens tokens of all layers.
  KvPages(vulkan::Device& device, uint64_t page_bytes) : device_(device), page_bytes_(page_bytes) {}

  /// A page; freed when the last sequence drops it.
  using Page = std::shared_ptr<const vulkan::Allocation>;

  /// Errors: kMemory.
  Page take();
  uint64_t page_bytes() const { return page_bytes_; }

 private:
  vulkan::Device& device_;
  uint64_t page_bytes_;
};

}  // namespace caldera::engine
