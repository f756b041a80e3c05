#include "engine/page_copier.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

#include "vulkan/result.hpp"

namespace caldera::engine {
namespace {

/// Of all buffers together, which are host memory: the pages of 2048 tokens of a model of 8B.
constexpr uint64_t kRingBytes = uint64_t{256} << 20;

}  // namespace

PageCopier::PageCopier(vulkan::Device& device, uint64_t page_bytes, uint32_t at_once)
    : device_(device), buffers_(std::clamp<uint64_t>(kRingBytes / page_bytes, 2, std::max(at_once, 2U))) {
  for (Buffer& buffer : buffers_) {
    buffer.memory = device.memory().allocate(page_bytes, vulkan::Residency::kHostRead,
                                             vulkan::Purpose::kStaging, "a buffer to copy KV memory through");
  }
  VkCommandPoolCreateInfo info{VK_STRUCTURE_TYPE_COMMAND_POOL_CREATE_INFO};
  info.flags = VK_COMMAND_POOL_CREATE_RESET_COMMAND_BUFFER_BIT;
  info.queueFamilyIndex = device.physical().queue_family;
  vulkan::check(vkCreateCommandPool(device.handle(), &info, nullptr, &pool_), "creating a command pool");
  std::vector<VkCommandBuffer> commands(buffers_.size());
  VkCommandBufferAllocateInfo allocate{VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO};
  allocate.commandPool = pool_;
  allocate.level = VK_COMMAND_BUFFER_LEVEL_PRIMARY;
  allocate.commandBufferCount = static_cast<uint32_t>(commands.size());
  const VkResult result = vkAllocateCommandBuffers(device.handle(), &allocate, commands.data());
  if (result != VK_SUCCESS) vkDestroyCommandPool(device.handle(), pool_, nullptr);
  vulkan::check(result, "allocating command buffers");
  for (size_t i = 0; i < buffers_.size(); ++i) buffers_[i].commands = commands[i];
}

PageCopier::~PageCopier() {
  device_.settle();
  vkDestroyCommandPool(device_.handle(), pool_, nullptr);
}

void PageCopier::start(KvPages::Page from, std::shared_ptr<HostPage> to) {
  if (under_way_.size() == buffers_.size()) {
    device_.wait(under_way_.front().value);
    take_first();
  }
  const Buffer& buffer = buffers_[next_];
  VkCommandBufferBeginInfo begin{VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO};
  begin.flags = VK_COMMAND_BUFFER_USAGE_ONE_TIME_SUBMIT_BIT;
  vulkan::check(vkBeginCommandBuffer(buffer.commands, &begin), "recording a copy");
  vulkan::record_full_barrier(buffer.commands);
  const VkBufferCopy region{from->buffer_offset(), buffer.memory.buffer_offset(), to->size};
  vkCmdCopyBuffer(buffer.commands, from->buffer(), buffer.memory.buffer(), 1, &region);
  vulkan::record_full_barrier(buffer.commands);
  vulkan::check(vkEndCommandBuffer(buffer.commands), "recording a copy");
  under_way_.push_back({device_.submit({&buffer.commands, 1}), next_, std::move(from), std::move(to)});
  next_ = (next_ + 1) % static_cast<uint32_t>(buffers_.size());
}

void PageCopier::take_first() {
  const Copy& copy = under_way_.front();
  std::memcpy(copy.to->bytes.get(), buffers_[copy.buffer].memory.host(), copy.to->size);
  copy.to->complete = true;
  under_way_.pop_front();
}

void PageCopier::collect() {
  while (!under_way_.empty() && device_.reached(under_way_.front().value)) take_first();
}

void PageCopier::finish() {
  if (under_way_.empty()) return;
  device_.wait(under_way_.back().value);
  collect();
}

}  // namespace caldera::engine
