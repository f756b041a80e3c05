// Copies pages of KV memory to the host while the device works on.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <vector>

#include "engine/kept_kv.hpp"
#include "engine/kv_pages.hpp"
#include "vulkan/device.hpp"

namespace caldera::engine {

/// A page goes over the queue that computes, behind what fills it, into one of a ring of buffers that the
/// host reads quickly, and from there into memory that is not the device's. A copy is a submission of its
/// own: of some MiB, far below what any submission may take.
class PageCopier {
 public:
  /// `at_once`: pages that usually become full together. Errors: kMemory.
  PageCopier(vulkan::Device& device, uint64_t page_bytes, uint32_t at_once);
  ~PageCopier();
  PageCopier(const PageCopier&) = delete;
  PageCopier& operator=(const PageCopier&) = delete;

  /// Begins to copy `from` as it is when everything submitted so far is done. Waits only where all buffers
  /// are under way.
  void start(KvPages::Page from, std::shared_ptr<HostPage> to);
  /// Takes what has arrived.
  void collect();
  /// Waits for all.
  void finish();

 private:
  struct Buffer {
    vulkan::Allocation memory;
    VkCommandBuffer commands = VK_NULL_HANDLE;
  };
  struct Copy {
    uint64_t value = 0;  ///< of the timeline, when it has arrived
    uint32_t buffer = 0;
    KvPages::Page from;  ///< stays until then, whoever drops it
    std::shared_ptr<HostPage> to;
  };

  void take_first();

  vulkan::Device& device_;
  VkCommandPool pool_ = VK_NULL_HANDLE;
  std::vector<Buffer> buffers_;
  uint32_t next_ = 0;
  std::deque<Copy> under_way_;
};

}  // namespace caldera::engine
