// Measuring matrix units: all of the work is done, and the figure is one that a device can have.
#include "kernels/matrix_speed.hpp"

#include <gtest/gtest.h>

#include "support/device.hpp"

namespace caldera::kernels {
namespace {

TEST(MatrixSpeedTest, DoesAllOfTheWork) {
  const auto speed = matrix_speed(test::device(), test::pipelines());
  // Where it has none, kernels_test_matrix runs this on a software device with them.
  if (!speed) GTEST_SKIP() << "no matrix units that multiply f16 into f32";
  EXPECT_TRUE(speed->sums_are_right);
  EXPECT_GT(speed->flop_per_second, 1e6);
  EXPECT_LT(speed->flop_per_second, 1e17);
  EXPECT_EQ(speed->shape.result, VK_COMPONENT_TYPE_FLOAT32_KHR);
}

}  // namespace
}  // namespace caldera::kernels
