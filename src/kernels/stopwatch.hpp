// Timing what a command buffer does by the device's own clock.
#pragma once

#include <vulkan/vulkan.h>

#include "vulkan/device.hpp"

namespace caldera::kernels {

/// Two timestamps, where the device has them.
class Stopwatch {
 public:
  /// Errors: kMemory.
  explicit Stopwatch(vulkan::Device& device);
  ~Stopwatch();
  Stopwatch(const Stopwatch&) = delete;
  Stopwatch& operator=(const Stopwatch&) = delete;

  /// Record the two around the work.
  void start(VkCommandBuffer commands) const;
  void stop(VkCommandBuffer commands) const;

  /// After the work is done: seconds between the two, at most `by_the_clock`, which is also the answer of a
  /// device that cannot tell.
  double seconds(double by_the_clock) const;

 private:
  vulkan::Device& device_;
  VkQueryPool pool_ = VK_NULL_HANDLE;
};

}  // namespace caldera::kernels
