#include "vulkan/stopwatch.hpp"

#include <array>
#include <cstdint>

#include "vulkan/result.hpp"

namespace caldera::vulkan {

Stopwatch::Stopwatch(Device& device) : device_(device) {
  if (device.physical().timestamp_bits == 0) return;
  VkQueryPoolCreateInfo info{VK_STRUCTURE_TYPE_QUERY_POOL_CREATE_INFO};
  info.queryType = VK_QUERY_TYPE_TIMESTAMP;
  info.queryCount = 2;
  check(vkCreateQueryPool(device.handle(), &info, nullptr, &pool_), "creating a query pool");
}

Stopwatch::~Stopwatch() {
  vkDestroyQueryPool(device_.handle(), pool_, nullptr);
}

void Stopwatch::start(VkCommandBuffer commands) const {
  if (pool_ == VK_NULL_HANDLE) return;
  vkCmdResetQueryPool(commands, pool_, 0, 2);
  vkCmdWriteTimestamp2(commands, VK_PIPELINE_STAGE_2_ALL_COMMANDS_BIT, pool_, 0);
}

void Stopwatch::stop(VkCommandBuffer commands) const {
  if (pool_ == VK_NULL_HANDLE) return;
  vkCmdWriteTimestamp2(commands, VK_PIPELINE_STAGE_2_ALL_COMMANDS_BIT, pool_, 1);
}

double Stopwatch::seconds(double by_the_clock) const {
  if (pool_ == VK_NULL_HANDLE) return by_the_clock;
  std::array<uint64_t, 2> ticks{};
  check(vkGetQueryPoolResults(device_.handle(), pool_, 0, 2, sizeof(ticks), ticks.data(), sizeof(ticks[0]),
                              VK_QUERY_RESULT_64_BIT | VK_QUERY_RESULT_WAIT_BIT),
        "reading timestamps");
  const uint32_t bits = device_.physical().timestamp_bits;
  const uint64_t mask = bits >= 64 ? UINT64_MAX : (uint64_t{1} << bits) - 1;
  const double passed = static_cast<double>((ticks[1] - ticks[0]) & mask) *
                        static_cast<double>(device_.physical().timestamp_period) * 1e-9;
  return passed > 0 && passed < by_the_clock ? passed : by_the_clock;
}

}  // namespace caldera::vulkan
