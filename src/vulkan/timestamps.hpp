// When each dispatch of a recording began and ended, by the device's own clock.
#pragma once

#include <vulkan/vulkan.h>

#include <cstdint>
#include <string_view>
#include <vector>

#include "vulkan/device.hpp"
#include "vulkan/pipeline_store.hpp"

namespace caldera::vulkan {

/// Two timestamps for each dispatch of one recording, which is made with them. They must outlive it, and
/// cost time themselves: some microseconds a dispatch.
class Timestamps {
 public:
  /// For up to `dispatches` of them. Errors: kDevice where the device has no timestamps.
  Timestamps(Device& device, uint32_t dispatches);
  ~Timestamps();
  Timestamps(const Timestamps&) = delete;
  Timestamps& operator=(const Timestamps&) = delete;

  /// One dispatch, in seconds since the recording's first one began.
  struct Span {
    std::string_view kernel;  ///< Pipeline::name
    double begin = 0;         ///< when everything that it had to wait for was done
    double end = 0;           ///< when it and everything before it was done
  };
  /// The dispatches in their order, as the recording's last submission ran them; it must be done.
  std::vector<Span> read() const;

 private:
  friend class Recording;
  void reset(VkCommandBuffer buffer);
  /// Errors: kInternal for more dispatches than were announced.
  void begin(VkCommandBuffer buffer, const Pipeline& pipeline);
  void end(VkCommandBuffer buffer);

  Device& device_;
  uint32_t dispatches_;
  VkQueryPool pool_ = VK_NULL_HANDLE;  ///< (dispatches, begin and end)
  std::vector<std::string_view> kernels_;
};

}  // namespace caldera::vulkan
