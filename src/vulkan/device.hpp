// The logical device: one compute queue, its memory, and submissions followed by a timeline semaphore.
#pragma once

#include <vulkan/vulkan.h>

#include <cstdint>
#include <memory>
#include <span>

#include "vulkan/instance.hpp"
#include "vulkan/memory_pool.hpp"
#include "vulkan/staging.hpp"

namespace caldera::vulkan {

struct DeviceOptions {
  uint64_t memory_limit = 0;       ///< see MemoryPool
  bool allow_host_visible = true;  ///< see MemoryPool
  /// For a driver that shows a device whose hardware is not there: nothing but compiling. Pipelines keep
  /// their statistics and code (VK_KHR_pipeline_executable_properties); there is no memory, and recordings
  /// hold nothing.
  bool compile_only = false;
};

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
  /// Waits until the timeline reaches `value`. Errors: kDevice when the device is lost.
  void wait(uint64_t value);
  /// Whether the timeline has reached `value`.
  bool reached(uint64_t value) const;
  /// Waits for everything submitted.
  void wait_all() { wait(submitted_); }

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
  void copy(VkBuffer from, uint64_t from_offset, VkBuffer to, uint64_t to_offset, uint64_t bytes);

  PhysicalDevice physical_;
  bool compile_only_;
  VkDevice device_ = VK_NULL_HANDLE;
  VkQueue queue_ = VK_NULL_HANDLE;
  VkCommandPool commands_ = VK_NULL_HANDLE;
  VkSemaphore timeline_ = VK_NULL_HANDLE;
  uint64_t submitted_ = 0;
  std::unique_ptr<MemoryPool> memory_;
  std::unique_ptr<Staging> staging_;
};

}  // namespace caldera::vulkan
