// Uploads and downloads, with and without a view of the memory, around the size of the staging buffer.
#include "vulkan/device.hpp"

#include <gtest/gtest.h>

#include <numeric>

#include "support/device.hpp"

namespace caldera::vulkan {
namespace {

constexpr uint64_t kStaging = uint64_t{16} << 20;

std::vector<std::byte> pattern(uint64_t bytes, uint32_t seed) {
  std::vector<std::byte> data(bytes);
  for (uint64_t i = 0; i < bytes; ++i) data[i] = static_cast<std::byte>((i * 2654435761U + seed) >> 13);
  return data;
}

class TransferTest : public ::testing::TestWithParam<bool> {};

TEST_P(TransferTest, BringsBackWhatWasSent) {
  Device device(test::instance(), test::instance().choose(""), {.allow_host_visible = GetParam()});
  for (const uint64_t bytes :
       {uint64_t{4}, uint64_t{256}, kStaging - 4, kStaging, kStaging + 4, 2 * kStaging + 256}) {
    constexpr uint64_t kOffset = 512;
    const Allocation memory = device.memory().allocate(bytes + 2 * kOffset, Residency::kDevice,
                                                       Purpose::kWeights, "a test's memory");
    const std::vector<std::byte> before = pattern(memory.bytes(), 1);
    const std::vector<std::byte> data = pattern(bytes, 2);
    device.upload(memory, 0, before);
    device.upload(memory, kOffset, data);
    std::vector<std::byte> whole(memory.bytes());
    device.download(memory, 0, whole);
    std::vector<std::byte> expected = before;
    std::copy(data.begin(), data.end(), expected.begin() + kOffset);
    ASSERT_TRUE(whole == expected) << bytes << " bytes";
    std::vector<std::byte> part(bytes);
    device.download(memory, kOffset, part);
    ASSERT_TRUE(part == data) << bytes << " bytes";
  }
  EXPECT_EQ(device.memory().used(Purpose::kWeights), 0U);
}

TEST_P(TransferTest, NothingIsNothing) {
  Device device(test::instance(), test::instance().choose(""), {.allow_host_visible = GetParam()});
  const Allocation memory =
      device.memory().allocate(256, Residency::kDevice, Purpose::kWeights, "a test's memory");
  device.upload(memory, 0, {});
  device.download(memory, 0, {});
}

INSTANTIATE_TEST_SUITE_P(, TransferTest, ::testing::Bool(),
                         [](const auto& test) { return test.param ? "Seen" : "Staged"; });

TEST(DeviceTest, TimelineCountsSubmissions) {
  Device& device = test::device();
  Recording recording(device);
  recording.finish();
  const VkCommandBuffer buffer = recording.handle();
  const uint64_t first = device.submit({&buffer, 1});
  const uint64_t second = device.submit({&buffer, 1});
  EXPECT_EQ(second, first + 1);
  device.wait(second);
  EXPECT_TRUE(device.reached(first));
  EXPECT_TRUE(device.reached(second));
  EXPECT_FALSE(device.reached(second + 1));
  device.wait_all();
}

TEST(DeviceTest, SubmitsWhatWasHeldBackWithTheNextOrWhenItIsWaitedFor) {
  Device& device = test::device();
  Recording recording(device);
  recording.finish();
  const VkCommandBuffer buffer = recording.handle();
  const uint64_t held = device.submit_with_next(buffer);
  EXPECT_FALSE(device.reached(held));
  EXPECT_EQ(device.submit({&buffer, 1}), held);
  device.wait(held);
  const uint64_t waited_for = device.submit_with_next(buffer);
  EXPECT_EQ(waited_for, held + 1);
  device.wait(waited_for);
  EXPECT_TRUE(device.reached(waited_for));
  const uint64_t last = device.submit_with_next(buffer);
  device.wait_all();
  EXPECT_TRUE(device.reached(last));
}

}  // namespace
}  // namespace caldera::vulkan
