#include "engine/kv_pages.hpp"

namespace caldera::engine {

KvPages::Page KvPages::take() {
  return std::make_shared<const vulkan::Allocation>(device_.memory().allocate(
      page_bytes_, vulkan::Residency::kDevice, vulkan::Purpose::kKv, "a page of KV memory"));
}

}  // namespace caldera::engine
