// How a matrix is cut where one allocation cannot hold it.
#include "model/placer.hpp"

#include <gtest/gtest.h>

namespace caldera::model {
namespace {

TEST(PlacerTest, PiecesOfAMatrixHoldWholeUnitsOfInt8Vectors) {
  constexpr uint64_t kRow = 2304;
  EXPECT_EQ(segment_rows(kRow * 1000, kRow), 960U);
  EXPECT_EQ(segment_rows(kRow * 64, kRow), 64U);
  EXPECT_EQ(segment_rows((uint64_t{4} << 30) - 4, kRow) % kernels::kMostUnitRows, 0U);
}

TEST(PlacerTest, PiecesOfVeryLongRowsKeepGateAndUpTogether) {
  constexpr uint64_t kRow = 1 << 20;
  EXPECT_EQ(segment_rows(kRow * 63, kRow), 62U);
  EXPECT_EQ(segment_rows(kRow * 3, kRow), 2U);
  EXPECT_EQ(segment_rows(kRow, kRow), 2U);  // refused by the pool then, which says why
}

}  // namespace
}  // namespace caldera::model
