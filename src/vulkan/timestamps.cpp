#include "vulkan/timestamps.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "caldera/error.hpp"
#include "vulkan/result.hpp"

namespace caldera::vulkan {

Timestamps::Timestamps(Device& device, uint32_t dispatches) : device_(device), dispatches_(dispatches) {
  if (device.physical().timestamp_bits == 0) {
    throw Error(ErrorKind::kDevice, fmt::format("{} has no timestamps, so its dispatches cannot be timed: "
                                                "choose another device, or leave the profile out",
                                                device.physical().info.name));
  }
  VkQueryPoolCreateInfo info{VK_STRUCTURE_TYPE_QUERY_POOL_CREATE_INFO};
  info.queryType = VK_QUERY_TYPE_TIMESTAMP;
  info.queryCount = 2 * std::max(1U, dispatches);
  check(vkCreateQueryPool(device.handle(), &info, nullptr, &pool_), "making room for timestamps");
}

Timestamps::~Timestamps() {
  vkDestroyQueryPool(device_.handle(), pool_, nullptr);
}

void Timestamps::reset(VkCommandBuffer buffer) {
  vkCmdResetQueryPool(buffer, pool_, 0, 2 * std::max(1U, dispatches_));
}

void Timestamps::begin(VkCommandBuffer buffer, const Pipeline& pipeline) {
  if (kernels_.size() == dispatches_) {
    throw Error(ErrorKind::kInternal, fmt::format("more than {} dispatches were to be timed", dispatches_));
  }
  // The first stage comes after the barrier before, so this is when the dispatch could start.
  vkCmdWriteTimestamp2(buffer, VK_PIPELINE_STAGE_2_TOP_OF_PIPE_BIT, pool_,
                       2 * static_cast<uint32_t>(kernels_.size()));
  kernels_.push_back(pipeline.name);
}

void Timestamps::end(VkCommandBuffer buffer) {
  vkCmdWriteTimestamp2(buffer, VK_PIPELINE_STAGE_2_ALL_COMMANDS_BIT, pool_,
                       2 * static_cast<uint32_t>(kernels_.size()) - 1);
}

std::vector<Timestamps::Span> Timestamps::read() const {
  std::vector<Span> spans;
  if (kernels_.empty()) return spans;
  std::vector<uint64_t> ticks(2 * kernels_.size());
  const VkResult result = vkGetQueryPoolResults(
      device_.handle(), pool_, 0, static_cast<uint32_t>(ticks.size()), ticks.size() * sizeof(uint64_t),
      ticks.data(), sizeof(uint64_t), VK_QUERY_RESULT_64_BIT);
  if (result == VK_NOT_READY) {  // waiting for what was never submitted would not end
    throw Error(ErrorKind::kInternal, "timestamps were read of a recording that has not run");
  }
  check(result, "reading timestamps");
  const uint32_t bits = device_.physical().timestamp_bits;
  const uint64_t mask = bits >= 64 ? UINT64_MAX : (uint64_t{1} << bits) - 1;
  // The counter may have wrapped meanwhile: only differences have a meaning.
  const auto seconds = [&](uint64_t tick) {
    return static_cast<double>((tick - ticks[0]) & mask) * double{device_.physical().timestamp_period} * 1e-9;
  };
  for (size_t i = 0; i < kernels_.size(); ++i) {
    spans.push_back({kernels_[i], seconds(ticks[2 * i]), seconds(ticks[2 * i + 1])});
  }
  return spans;
}

}  // namespace caldera::vulkan
