#include "vulkan/recording.hpp"

#include <algorithm>
#include <utility>

#include "vulkan/result.hpp"

namespace caldera::vulkan {
namespace {

bool any_overlap(std::span<const Range> some, std::span<const Range> others) {
  return std::any_of(some.begin(), some.end(), [&](const Range& a) {
    return std::any_of(others.begin(), others.end(), [&](const Range& b) { return a.overlaps(b); });
  });
}

}  // namespace

Recording::Recording(Device& device, Timestamps* timestamps, const Stopwatch* stopwatch)
    : device_(&device), timestamps_(timestamps), stopwatch_(stopwatch) {
  if (device.compile_only()) return;
  VkCommandBufferAllocateInfo allocate{VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO};
  allocate.commandPool = device.command_pool();
  allocate.level = VK_COMMAND_BUFFER_LEVEL_PRIMARY;
  allocate.commandBufferCount = 1;
  check(vkAllocateCommandBuffers(device.handle(), &allocate, &buffer_), "allocating a command buffer");
  VkCommandBufferBeginInfo begin{VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO};
  begin.flags = VK_COMMAND_BUFFER_USAGE_SIMULTANEOUS_USE_BIT;
  check(vkBeginCommandBuffer(buffer_, &begin), "recording commands");
  if (timestamps_ != nullptr) timestamps_->reset(buffer_);
  if (stopwatch_ != nullptr) stopwatch_->start(buffer_);
  barrier(VK_PIPELINE_STAGE_2_COMPUTE_SHADER_BIT,
          VK_ACCESS_2_SHADER_STORAGE_READ_BIT | VK_ACCESS_2_SHADER_STORAGE_WRITE_BIT);
}

Recording::~Recording() {
  if (buffer_ != VK_NULL_HANDLE)
    vkFreeCommandBuffers(device_->handle(), device_->command_pool(), 1, &buffer_);
}

Recording::Recording(Recording&& other) noexcept
    : device_(other.device_),
      timestamps_(other.timestamps_),
      stopwatch_(other.stopwatch_),
      buffer_(std::exchange(other.buffer_, VK_NULL_HANDLE)),
      reads_(std::move(other.reads_)),
      writes_(std::move(other.writes_)),
      shape_(other.shape_) {}

void Recording::barrier(VkPipelineStageFlags2 to_stage, VkAccessFlags2 to_access) {
  VkMemoryBarrier2 memory{VK_STRUCTURE_TYPE_MEMORY_BARRIER_2};
  memory.srcStageMask = VK_PIPELINE_STAGE_2_COMPUTE_SHADER_BIT | VK_PIPELINE_STAGE_2_COPY_BIT;
  memory.srcAccessMask = VK_ACCESS_2_SHADER_STORAGE_WRITE_BIT | VK_ACCESS_2_TRANSFER_WRITE_BIT;
  memory.dstStageMask = to_stage;
  memory.dstAccessMask = to_access;
  VkDependencyInfo dependency{VK_STRUCTURE_TYPE_DEPENDENCY_INFO};
  dependency.memoryBarrierCount = 1;
  dependency.pMemoryBarriers = &memory;
  if (buffer_ != VK_NULL_HANDLE) vkCmdPipelineBarrier2(buffer_, &dependency);
  ++shape_.barriers;
  reads_.clear();
  writes_.clear();
}

void Recording::dispatch(const Pipeline& pipeline, std::span<const std::byte> constants,
                         std::array<uint32_t, 3> groups, std::span<const Range> reads,
                         std::span<const Range> writes) {
  if (any_overlap(reads, writes_) || any_overlap(writes, writes_) || any_overlap(writes, reads_)) {
    barrier(VK_PIPELINE_STAGE_2_COMPUTE_SHADER_BIT,
            VK_ACCESS_2_SHADER_STORAGE_READ_BIT | VK_ACCESS_2_SHADER_STORAGE_WRITE_BIT);
  }
  reads_.insert(reads_.end(), reads.begin(), reads.end());
  writes_.insert(writes_.end(), writes.begin(), writes.end());
  ++shape_.dispatches;
  if (buffer_ == VK_NULL_HANDLE) return;
  vkCmdBindPipeline(buffer_, VK_PIPELINE_BIND_POINT_COMPUTE, pipeline.handle);
  vkCmdPushConstants(buffer_, pipeline.layout, VK_SHADER_STAGE_COMPUTE_BIT, 0,
                     static_cast<uint32_t>(constants.size()), constants.data());
  if (timestamps_ != nullptr) timestamps_->begin(buffer_, pipeline);
  vkCmdDispatch(buffer_, groups[0], groups[1], groups[2]);
  if (timestamps_ != nullptr) timestamps_->end(buffer_);
}

void Recording::finish() {
  barrier(
      VK_PIPELINE_STAGE_2_HOST_BIT | VK_PIPELINE_STAGE_2_COMPUTE_SHADER_BIT,
      VK_ACCESS_2_HOST_READ_BIT | VK_ACCESS_2_SHADER_STORAGE_READ_BIT | VK_ACCESS_2_SHADER_STORAGE_WRITE_BIT);
  if (buffer_ == VK_NULL_HANDLE) return;
  if (stopwatch_ != nullptr) stopwatch_->stop(buffer_);
  check(vkEndCommandBuffer(buffer_), "recording commands");
}

}  // namespace caldera::vulkan
