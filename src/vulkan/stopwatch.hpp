// Timing what a command buffer does by the device's own clock.
#pragma once

#include <vulkan/vulkan.h>

#include "vulkan/device.hpp"

namespace caldera::vulkan {

/// Two timestamps, where the device has them.
class Stopwatch {
 public:
  /// Errors: kMemory.
  explicit Stopwatch(Device& device);
  ~Stopwatch();
  Stopwatch(const Stopwatch&) = delete;
  Stopwatch& operator=(const Stopwatch&) = delete;

  /// Record the two around the work; the first is taken when everything before it is done. Work that is
  /// submitted again must be done first: there is one pair.
  void start(VkCommandBuffer commands) const;
  void stop(VkCommandBuffer commands) const;

  /// After the work is done: seconds between the two, at most `by_the_clock`, which is also the answer of a
  /// device that cannot tell. Errors: kDevice when the device is lost.
  double seconds(double by_the_clock) const;

 private:
  Device& device_;
  VkQueryPool pool_ = VK_NULL_HANDLE;
};

}  // namespace caldera::vulkan
