// Timestamps around the dispatches of a recording.
#include "vulkan/timestamps.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>

#include "caldera/error.hpp"
#include "kernels/kernel_test.hpp"
#include "kernels/kernels.hpp"
#include "support/device.hpp"
#include "vulkan/recording.hpp"

namespace caldera::vulkan {
namespace {

using test::DeviceArray;

constexpr uint32_t kWidth = 4096;

/// Records `x = silu(x) * x` so many times.
void fill(Recording& recording, const DeviceArray<float>& x, const kernels::TestBatch& batch, int times) {
  kernels::Kernels kernels(test::device(), test::pipelines());
  for (int i = 0; i < times; ++i) {
    kernels.record({&recording, batch.address(), 1, true, 1},
                   kernels::SwiGlu{x.range(), x.range(), x.range(), kWidth});
  }
}

TEST(TimestampsTest, OneSpanForEachDispatchInOrder) {
  const DeviceArray<float> x(std::vector<float>(kWidth, 0.5F));
  const kernels::TestBatch batch = kernels::TestBatch::of(1);
  Timestamps timestamps(test::device(), 3);
  Recording recording(test::device(), &timestamps);
  fill(recording, x, batch, 3);
  recording.finish();
  for (int run = 0; run < 2; ++run) {  // they are reset by each submission
    const auto start = std::chrono::steady_clock::now();
    test::run(recording);
    const double elapsed = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    const std::vector<Timestamps::Span> spans = timestamps.read();
    ASSERT_EQ(spans.size(), 3U);
    EXPECT_EQ(spans[0].begin, 0);
    double before = 0;
    for (const Timestamps::Span& span : spans) {
      EXPECT_EQ(span.kernel, "swiglu");
      EXPECT_GE(span.begin, before);
      EXPECT_GT(span.end, span.begin);
      before = span.end;
    }
    EXPECT_LT(before, elapsed);
  }
}

TEST(TimestampsTest, TheRecordingIsTheSameAsWithout) {
  const kernels::TestBatch batch = kernels::TestBatch::of(1);
  const DeviceArray<float> timed(std::vector<float>(kWidth, 1.25F));
  const DeviceArray<float> plain(std::vector<float>(kWidth, 1.25F));
  Timestamps timestamps(test::device(), 4);
  Recording with(test::device(), &timestamps);
  fill(with, timed, batch, 4);
  with.finish();
  Recording without(test::device());
  fill(without, plain, batch, 4);
  without.finish();
  EXPECT_EQ(with.shape().dispatches, without.shape().dispatches);
  EXPECT_EQ(with.shape().barriers, without.shape().barriers);
  test::run(with);
  test::run(without);
  EXPECT_EQ(timed.get(), plain.get());
}

TEST(TimestampsTest, NothingToTime) {
  Timestamps timestamps(test::device(), 0);
  Recording recording(test::device(), &timestamps);
  recording.finish();
  test::run(recording);
  EXPECT_TRUE(timestamps.read().empty());
}

void expect_error(ErrorKind kind, const std::string& part, const std::function<void()>& action) {
  try {
    action();
    ADD_FAILURE() << "nothing was thrown";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), kind) << error.what();
    EXPECT_THAT(error.what(), ::testing::HasSubstr(part));
  }
}

TEST(TimestampsTest, Refusals) {
  const DeviceArray<float> x(std::vector<float>(kWidth, 0.5F));
  const kernels::TestBatch batch = kernels::TestBatch::of(1);
  Timestamps timestamps(test::device(), 1);
  Recording recording(test::device(), &timestamps);
  fill(recording, x, batch, 1);
  expect_error(ErrorKind::kInternal, "more than 1", [&] { fill(recording, x, batch, 1); });
}

TEST(TimestampsTest, ADeviceWithoutSaysSo) {
  PhysicalDevice physical = test::device().physical();
  physical.timestamp_bits = 0;
  Device device(test::instance(), physical);
  expect_error(ErrorKind::kDevice, "has no timestamps", [&] { Timestamps(device, 1); });
}

}  // namespace
}  // namespace caldera::vulkan
