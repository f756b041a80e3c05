// Grids: what an entry stands for, and finding the nearest one.
#include "quant/codebook.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <climits>
#include <random>

namespace caldera::quant {
namespace {

std::array<int, 8> codes_of(Grid grid, size_t index) {
  const uint64_t codes = grid_codes(grid, index);
  std::array<int, 8> all{};
  for (size_t k = 0; k < 8; ++k) all[k] = grid_code(codes, k);
  return all;
}

int squared_distance(const std::array<int, 8>& a, const std::array<int, 8>& b) {
  int sum = 0;
  for (size_t k = 0; k < 8; ++k) sum += (a[k] - b[k]) * (a[k] - b[k]);
  return sum;
}

class GridTest : public ::testing::TestWithParam<Grid> {
 protected:
  const Grid grid = GetParam();
  const size_t entries = grid.size() * 2;
  const NearestEntry nearest{grid};
};

TEST_P(GridTest, EveryEntryFindsItself) {
  for (size_t index = 0; index < entries; ++index) {
    const std::array<int, 8> codes = codes_of(grid, index);
    ASSERT_LE(*std::ranges::max_element(codes), 2) << index;
    ASSERT_EQ(nearest.find(codes), index);
  }
}

TEST_P(GridTest, OtherVectorsFindTheFirstOfTheNearest) {
  std::mt19937 random(1);
  for (int i = 0; i < 500; ++i) {
    std::array<int, 8> wanted{};
    for (int& code : wanted) code = static_cast<int>(random() % 3);
    size_t best = 0;
    int least = INT_MAX;
    for (size_t index = 0; index < entries; ++index) {
      const int distance = squared_distance(codes_of(grid, index), wanted);
      if (distance < least) {
        least = distance;
        best = index;
      }
    }
    ASSERT_EQ(nearest.find(wanted), best);
  }
}

TEST(GridOfTest, OnlyFormatsOfGridsHaveOne) {
  for (const FormatInfo& row : formats()) {
    const bool expected = row.name == "IQ1_S" || row.name == "IQ1_M" || row.name == "IQ2_XXS";
    EXPECT_EQ(grid_of(row.format).empty(), !expected) << row.name;
  }
  EXPECT_EQ(grid_of(Format::kIQ1_M).size_bytes(), 4096U);
}

INSTANTIATE_TEST_SUITE_P(, GridTest, ::testing::Values(kIq1Grid, kIq2XxsGrid), [](const auto& test) {
  return test.param.size() == kIq1Grid.size() ? "Iq1" : "Iq2Xxs";
});

}  // namespace
}  // namespace caldera::quant
