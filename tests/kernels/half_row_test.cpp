// The kernels that make rows of f16 for products on matrix units: what they make is their f32 result,
// rounded.
#include <gtest/gtest.h>

#include <algorithm>

#include "kernels/kernel_test.hpp"
#include "quant/half.hpp"

namespace caldera::kernels {
namespace {

constexpr uint32_t kWidth = 96;
constexpr uint32_t kRows = 3;
constexpr uint16_t kUntouchedHalf = 0x7C01;

/// Runs an operation that `make` makes for a place to put its results, in both forms; the last of kRows + 1
/// rows is beyond the batch.
template <class Make>
void expect_rounded(const Make& make, float scale) {
  const DeviceArray<float> floats = untouched(size_t{kRows + 1} * kWidth);
  const DeviceArray<uint16_t> halves(std::vector<uint16_t>(size_t{kRows + 1} * kWidth, kUntouchedHalf));
  const TestBatch batch = TestBatch::of(kRows);
  auto op = make(floats.range());
  run(op, batch, {kRows + 1});
  op.out = halves.range();
  op.half = true;
  run(op, batch, {kRows + 1});
  const std::vector<float> values = floats.get();
  const std::vector<uint16_t> got = halves.get();
  for (size_t i = 0; i < got.size(); ++i) {
    const float value = std::clamp(values[i] * scale, -65504.0F, 65504.0F);
    const uint16_t expected = i < size_t{kRows} * kWidth ? quant::f16_from_float(value) : kUntouchedHalf;
    ASSERT_EQ(got[i], expected) << i;
  }
}

TEST(HalfRowTest, NormMakesHalves) {
  const DeviceArray<float> x(test::uniforms(size_t{kRows + 1} * kWidth, 1, -1, 1));
  // Some results are beyond f16.
  const DeviceArray<float> weight(test::uniforms(kWidth, 2, 0.5F, 100000));
  expect_rounded(
      [&](const Range& out) { return Norm{x.range(), weight.address(), out, kWidth, 1e-5F, false}; }, 1);
}

TEST(HalfRowTest, SwiGluMakesHalves) {
  const DeviceArray<float> gate(test::uniforms(size_t{kRows + 1} * kWidth, 3, -3000, 3000));
  const DeviceArray<float> up(test::uniforms(size_t{kRows + 1} * kWidth, 4, -3000, 3000));
  expect_rounded(
      [&](const Range& out) {
        return SwiGlu{gate.range(), up.range(), out, kWidth};
      },
      kHiddenScale);
}

}  // namespace
}  // namespace caldera::kernels
