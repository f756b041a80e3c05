// Recordings: barriers exactly where hazards are, and replays. SwiGLU serves as a dispatch that reads and
// writes.
#include "vulkan/recording.hpp"

#include <gtest/gtest.h>

#include "kernels/kernel_test.hpp"
#include "kernels/kernels.hpp"
#include "kernels/shaders.hpp"
#include "support/device.hpp"

namespace caldera::vulkan {
namespace {

using test::DeviceArray;

/// Barriers between dispatches of a recording that is not finished: it has one at its start.
uint32_t inner_barriers(const Recording& recording) {
  return recording.shape().barriers - 1;
}

/// Records dispatches that touch what they are told to, and do nothing (the batch has no tokens).
class BarrierTest : public ::testing::Test {
 protected:
  void dispatch(const std::vector<Range>& reads, const std::vector<Range>& writes) {
    recording_.dispatch(pipeline_, std::as_bytes(std::span(&constants_, 1)), {1, 1, 1}, reads, writes);
  }

  const Pipeline& pipeline_ = test::pipelines().get(kernels::shader("swiglu"), std::vector<uint32_t>{8}, 0);
  kernels::TestBatch batch_ = kernels::TestBatch::of(0);
  struct {
    uint64_t gate, up, result, vectors, batch;
    uint32_t width;
  } constants_{batch_.address(), batch_.address(), batch_.address(), 0, batch_.address(), 1};
  Recording recording_{test::device()};
  Range a_{1 << 20, 256}, b_{2 << 20, 256}, c_{3 << 20, 256}, d_{4 << 20, 256};
};

TEST_F(BarrierTest, NoneBetweenIndependentDispatches) {
  dispatch({a_}, {b_});
  dispatch({a_}, {c_});    // reads what was read
  dispatch({a_, d_}, {});  // writes nothing
  dispatch({}, {});
  EXPECT_EQ(inner_barriers(recording_), 0U);
  EXPECT_EQ(recording_.shape().dispatches, 4U);
  recording_.finish();
  test::run(recording_);
}

TEST_F(BarrierTest, ReadAfterWrite) {
  dispatch({a_}, {b_});
  dispatch({b_}, {c_});
  EXPECT_EQ(inner_barriers(recording_), 1U);
}

TEST_F(BarrierTest, WriteAfterRead) {
  dispatch({a_}, {b_});
  dispatch({c_}, {a_});
  EXPECT_EQ(inner_barriers(recording_), 1U);
}

TEST_F(BarrierTest, WriteAfterWrite) {
  dispatch({a_}, {b_});
  dispatch({a_}, {b_});
  EXPECT_EQ(inner_barriers(recording_), 1U);
}

TEST_F(BarrierTest, OneBarrierServesAllBeforeIt) {
  dispatch({a_}, {b_});
  dispatch({a_}, {c_});
  dispatch({b_}, {d_});  // waits for the first
  EXPECT_EQ(inner_barriers(recording_), 1U);
  dispatch({c_}, {});  // written before that barrier
  EXPECT_EQ(inner_barriers(recording_), 1U);
  dispatch({d_}, {});  // written after it
  EXPECT_EQ(inner_barriers(recording_), 2U);
}

TEST_F(BarrierTest, HazardsSkipDispatchesBetween) {
  dispatch({a_}, {b_});
  dispatch({c_}, {d_});
  dispatch({}, {a_});
  EXPECT_EQ(inner_barriers(recording_), 1U);
}

TEST_F(BarrierTest, RangesThatMeetDoNotOverlap) {
  dispatch({}, {{1000, 100}});
  dispatch({{1100, 100}}, {});
  dispatch({{900, 100}}, {});
  EXPECT_EQ(inner_barriers(recording_), 0U);
  dispatch({{1099, 1}}, {});
  EXPECT_EQ(inner_barriers(recording_), 1U);
}

TEST_F(BarrierTest, ADispatchDoesNotWaitForItself) {
  dispatch({a_}, {a_});
  EXPECT_EQ(inner_barriers(recording_), 0U);
  dispatch({a_}, {a_});
  EXPECT_EQ(inner_barriers(recording_), 1U);
}

/// x += matrix . one, so that every run of the recording is counted.
TEST(RecordingTest, ReplaysWithoutRecordingAgain) {
  const kernels::TestMatrix weights(quant::Format::kF32, 32, 32, 1);
  const DeviceArray<float> one(std::vector<float>(8 * 32, 1));
  const DeviceArray<float> x(std::vector<float>(32, 0));
  const kernels::TestBatch batch = kernels::TestBatch::of(1);
  kernels::Kernels kernels(test::device(), test::pipelines());
  Recording recording(test::device());
  kernels.record({&recording, batch.address(), 1, true, 1},
                 kernels::Product{&weights.get(), one.range(), x.range(), 32, 0, 0, kernels::Epilogue::kAdd,
                                  kernels::Count::kTokens});
  recording.finish();

  // Many submissions in flight at once, of one buffer and of several in one submission.
  const VkCommandBuffer buffers[] = {recording.handle(), recording.handle()};
  uint64_t last = 0;
  for (int i = 0; i < 10; ++i) last = test::device().submit({buffers, 1});
  test::device().wait(last);
  for (int i = 0; i < 5; ++i) last = test::device().submit(buffers);
  test::device().wait(last);
  const std::vector<float> got = x.get();
  for (uint32_t r = 0; r < 32; ++r) {
    double sum = 0;
    for (uint32_t k = 0; k < 32; ++k) sum += weights.values[r * 32 + k];
    EXPECT_NEAR(got[r], 20 * sum, 1e-4) << r;
  }
}

TEST(RecordingTest, DependentDispatchesSeeEachOther) {
  // x = silu(x) * x, four times over: a missing barrier would lose some.
  constexpr uint32_t kWidth = 1000;
  const std::vector<float> start = test::uniforms(kWidth, 3, 1.2F, 1.3F);
  const DeviceArray<float> x(start);
  const kernels::TestBatch batch = kernels::TestBatch::of(1);
  kernels::Kernels kernels(test::device(), test::pipelines());
  Recording recording(test::device());
  for (int i = 0; i < 4; ++i) {
    kernels.record({&recording, batch.address(), 1, true, 1},
                   kernels::SwiGlu{x.range(), x.range(), x.range(), kWidth});
  }
  EXPECT_EQ(inner_barriers(recording), 3U);
  recording.finish();
  test::run(recording);
  const std::vector<float> got = x.get();
  for (uint32_t i = 0; i < kWidth; ++i) {
    double value = double{start[i]};
    for (int j = 0; j < 4; ++j) value *= kernels::silu(value);
    ASSERT_NEAR(got[i], value, 1e-5 * value) << i;
  }
}

TEST(RecordingTest, TimedAsAWholeByEachSubmission) {
  const DeviceArray<float> x(std::vector<float>(4096, 1.25F));
  const kernels::TestBatch batch = kernels::TestBatch::of(1);
  kernels::Kernels kernels(test::device(), test::pipelines());
  const Stopwatch stopwatch(test::device());
  Recording recording(test::device(), nullptr, &stopwatch);
  for (int i = 0; i < 4; ++i) {
    kernels.record({&recording, batch.address(), 1, true, 1},
                   kernels::SwiGlu{x.range(), x.range(), x.range(), 4096});
  }
  recording.finish();
  for (int run = 0; run < 2; ++run) {
    test::run(recording);
    const double seconds = stopwatch.seconds(1000);
    EXPECT_GT(seconds, 0);
    EXPECT_LT(seconds, 1000) << "the device's own clock";
    EXPECT_EQ(stopwatch.seconds(1e-15), 1e-15) << "never longer than the host's";
  }
}

TEST(RecordingTest, MovesKeepTheBuffer) {
  Recording first(test::device());
  const VkCommandBuffer handle = first.handle();
  Recording second = std::move(first);
  EXPECT_EQ(second.handle(), handle);
  second.finish();
  test::run(second);
}

}  // namespace
}  // namespace caldera::vulkan
