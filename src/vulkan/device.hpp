// The logical device: one compute queue, its memory, and submissions followed by a timeline semaphore.
#pragma once

#include <vulkan/vulkan.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "vulkan/instance.hpp"
#include "vulkan/memory_pool.hpp"
#include "vulkan/staging.hpp"

namespace caldera::vulkan {

/// How long a GPU may work without finishing anything before it counts as lost: drivers bound it to some
/// seconds themselves, and submissions aim at a fraction of one.
inline constexpr std::chrono::seconds kPatience{120};

struct DeviceOptions {
  uint64_t memory_limit = 0;       ///< see MemoryPool
  bool allow_host_visible = true;  ///< see MemoryPool
  /// For a driver that shows a device whose hardware is not there: nothing but compiling. Pipelines keep
  /// their statistics and code (VK_KHR_pipeline_executable_properties); there is no memory, and recordings
  /// hold nothing.
  bool compile_only = false;
  /// Instead of kPatience, or for ever of a software device, which is slow and never lost; 0: as said.
  std::chrono::milliseconds patience{0};
};

/// Every function that asks something of the device throws DeviceLost once it is lost.
class Device {
 public:
  /// Errors: kDevice, kMemory.
  Device(const Instance& instance, PhysicalDevice physical, const DeviceOptions& options = {});
  ~Device();
  Device(const Device&) = delete;
  Device& operator=(const Device&) = delete;

  VkDevice handle() const { return device_; }
  const PhysicalDevice& physical() const { return physical_; }
  MemoryPool& memory() { return *memory_; }
  VkCommandPool command_pool() const { return commands_; }
  bool compile_only() const { return compile_only_; }

  /// Submits command buffers in order and returns the timeline value that is reached when they are done.
  uint64_t submit(std::span<const VkCommandBuffer> buffers);
  /// The same for what can wait for the next submission, to be one with it: a submission takes the processor
  /// some 10 us, and being woken as much. It waits no longer than until someone waits for it, and must stay
  /// until then.
  uint64_t submit_with_next(VkCommandBuffer buffer);
  /// Waits until the timeline reaches `value`. A device that finishes nothing for as long as its patience is
  /// lost too.
  void wait(uint64_t value);
  /// Whether the timeline has reached `value`.
  bool reached(uint64_t value) const;
  /// Waits for everything submitted.
  void wait_all() { wait(submitted_ + (held_.empty() ? 0 : 1)); }
  /// Before things of the device are destroyed: nothing submitted is under way any more, not even on a lost
  /// device, unless it is stuck.
  void settle() const noexcept;
  /// Throws DeviceLost if the device is known to be lost.
  void demand_alive() const;

  /// Copies from host memory into an allocation, through staging buffers where the host cannot see it.
  /// Whatever is submitted later finds the data there; until then `to` must stay.
  void upload(const Allocation& to, uint64_t offset, std::span<const std::byte> data);
  /// Waits for all uploads and frees the staging buffers.
  void end_uploads();
  /// Copies out of any allocation, and waits.
  void download(const Allocation& from, uint64_t offset, std::span<std::byte> out);

 private:
  void open(const DeviceOptions& options);
  void close();
  /// As check(), and remembers a loss.
  void demand(VkResult result, std::string_view what) const;
  [[noreturn]] void give_up(uint64_t value);
  void copy(VkBuffer from, uint64_t from_offset, VkBuffer to, uint64_t to_offset, uint64_t bytes);

  PhysicalDevice physical_;
  bool compile_only_;
  std::chrono::nanoseconds patience_;
  mutable std::atomic<bool> lost_ = false;
  bool stuck_ = false;  ///< lost, and the driver does not say so
  VkDevice device_ = VK_NULL_HANDLE;
  VkQueue queue_ = VK_NULL_HANDLE;
  VkCommandPool commands_ = VK_NULL_HANDLE;
  VkSemaphore timeline_ = VK_NULL_HANDLE;
  uint64_t submitted_ = 0;
  std::vector<VkCommandBuffer> held_;  ///< for the next submission
  std::unique_ptr<MemoryPool> memory_;
  std::unique_ptr<Staging> staging_;
};

}  // namespace caldera::vulkan
