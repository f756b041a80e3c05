// The file's layout: sizes of rows, and what kernels may count on about where a row begins.
#include "quant/file_layout.hpp"

#include <gtest/gtest.h>

#include "caldera/error.hpp"
#include "quant/each_format.hpp"

namespace caldera::quant {
namespace {

class FileLayoutTest : public ::testing::TestWithParam<FormatInfo> {};

TEST_P(FileLayoutTest, RowsFollowEachOtherWithoutPadding) {
  const RowLayout layout = file_layout(GetParam().format, 768);
  EXPECT_EQ(layout.row_bytes, 768 / GetParam().block_elements * GetParam().block_bytes);
  EXPECT_EQ(layout.plane, (std::array<uint32_t, 4>{}));
}

TEST_P(FileLayoutTest, TakesTheWidthsOfTheResidentLayout) {
  for (const uint64_t columns : {uint64_t{0}, uint64_t{33}, uint64_t{1} << 21, UINT64_MAX}) {
    EXPECT_THROW(file_layout(GetParam().format, columns), Error) << columns;
  }
}

TEST_P(FileLayoutTest, EveryRowOfAnAlignedTensorIsAligned) {
  const uint32_t alignment = file_alignment(GetParam().format);
  for (uint64_t columns = 256; columns <= 2048; columns += 256) {
    EXPECT_EQ(file_layout(GetParam().format, columns).row_bytes % alignment, 0U) << columns;
  }
}

INSTANTIATE_TEST_SUITE_P(, FileLayoutTest, every_format(), format_name);

TEST(FileAlignmentTest, IsWhatTheBlocksAllow) {
  EXPECT_EQ(file_alignment(Format::kQ6_K), 2U);
  EXPECT_EQ(file_alignment(Format::kQ4_1), 4U);
  EXPECT_EQ(file_alignment(Format::kQ5_1), 8U);
  EXPECT_EQ(file_alignment(Format::kQ4_K), 16U);
  EXPECT_EQ(file_alignment(Format::kF16), 16U);
  EXPECT_EQ(file_alignment(Format::kIQ1_S), 2U);
  EXPECT_EQ(file_alignment(Format::kIQ1_M), 8U);
  EXPECT_EQ(file_alignment(Format::kMXFP4), 1U);
}

}  // namespace
}  // namespace caldera::quant
