#include "vulkan/staging.hpp"

#include <algorithm>
#include <cstring>

#include "vulkan/device.hpp"
#include "vulkan/result.hpp"

namespace caldera::vulkan {
namespace {

/// One of the buffers: long enough that a copy costs more than submitting it.
constexpr uint64_t kSlotBytes = uint64_t{8} << 20;

}  // namespace

Staging::Staging(Device& device) : device_(device) {
  for (Slot& slot : slots_) {
    slot.memory =
        device.memory().allocate(kSlotBytes, Residency::kHostWrite, Purpose::kStaging, "a staging buffer");
  }
  VkCommandPoolCreateInfo info{VK_STRUCTURE_TYPE_COMMAND_POOL_CREATE_INFO};
  info.flags = VK_COMMAND_POOL_CREATE_RESET_COMMAND_BUFFER_BIT;
  info.queueFamilyIndex = device.physical().queue_family;
  check(vkCreateCommandPool(device.handle(), &info, nullptr, &pool_), "creating a command pool");
  std::array<VkCommandBuffer, 4> commands{};
  VkCommandBufferAllocateInfo allocate{VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO};
  allocate.commandPool = pool_;
  allocate.level = VK_COMMAND_BUFFER_LEVEL_PRIMARY;
  allocate.commandBufferCount = static_cast<uint32_t>(commands.size());
  const VkResult result = vkAllocateCommandBuffers(device.handle(), &allocate, commands.data());
  if (result != VK_SUCCESS) vkDestroyCommandPool(device.handle(), pool_, nullptr);
  check(result, "allocating command buffers");
  for (size_t i = 0; i < slots_.size(); ++i) slots_[i].commands = commands[i];
}

Staging::~Staging() {
  vkDestroyCommandPool(device_.handle(), pool_, nullptr);
}

void Staging::write(const Allocation& to, uint64_t offset, std::span<const std::byte> data) {
  for (uint64_t done = 0; done < data.size(); done += kSlotBytes) {
    Slot& slot = slots_[next_];
    next_ = (next_ + 1) % slots_.size();
    device_.wait(slot.done);
    copy(slot, to, offset + done, data.subspan(done, std::min<uint64_t>(kSlotBytes, data.size() - done)));
  }
}

void Staging::copy(Slot& slot, const Allocation& to, uint64_t offset, std::span<const std::byte> data) {
  std::memcpy(slot.memory.host(), data.data(), data.size());
  VkCommandBufferBeginInfo begin{VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO};
  begin.flags = VK_COMMAND_BUFFER_USAGE_ONE_TIME_SUBMIT_BIT;
  check(vkBeginCommandBuffer(slot.commands, &begin), "recording a copy");
  record_full_barrier(slot.commands);
  const VkBufferCopy region{slot.memory.buffer_offset(), to.buffer_offset() + offset, data.size()};
  vkCmdCopyBuffer(slot.commands, slot.memory.buffer(), to.buffer(), 1, &region);
  record_full_barrier(slot.commands);
  check(vkEndCommandBuffer(slot.commands), "recording a copy");
  slot.done = device_.submit({&slot.commands, 1});
}

void record_full_barrier(VkCommandBuffer commands) {
  VkMemoryBarrier2 barrier{VK_STRUCTURE_TYPE_MEMORY_BARRIER_2};
  barrier.srcStageMask = VK_PIPELINE_STAGE_2_ALL_COMMANDS_BIT;
  barrier.srcAccessMask = VK_ACCESS_2_MEMORY_WRITE_BIT;
  barrier.dstStageMask = VK_PIPELINE_STAGE_2_ALL_COMMANDS_BIT | VK_PIPELINE_STAGE_2_HOST_BIT;
  barrier.dstAccessMask =
      VK_ACCESS_2_MEMORY_READ_BIT | VK_ACCESS_2_MEMORY_WRITE_BIT | VK_ACCESS_2_HOST_READ_BIT;
  VkDependencyInfo dependency{VK_STRUCTURE_TYPE_DEPENDENCY_INFO};
  dependency.memoryBarrierCount = 1;
  dependency.pMemoryBarriers = &barrier;
  vkCmdPipelineBarrier2(commands, &dependency);
}

}  // namespace caldera::vulkan
