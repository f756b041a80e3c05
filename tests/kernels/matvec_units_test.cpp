// Products of a few int8 vectors on matrix units, every format, against sums in double precision. Where the
// device has no such units there is nothing to test: script/with-lavapipe has a software device with them.
#include "kernels/matvec_units.hpp"

#include <gtest/gtest.h>

#include "caldera/error.hpp"
#include "kernels/int8_product_check.hpp"
#include "kernels/product_candidates.hpp"

namespace caldera::kernels {
namespace {

class MatvecUnitsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    // Where it has none, kernels_matvec_units_test_matrix runs the same tests on a software device with them.
    if (shared_kernels().matrix_units().shapes.empty()) GTEST_SKIP() << "the device has no matrix units";
  }
};

ProductChoice units(uint32_t tiles, uint32_t row_groups, uint32_t slices, uint32_t units = 1,
                    uint32_t ahead = 1) {
  return {.units = MatvecUnits{tiles, row_groups, slices, units, ahead}};
}

/// Both through shared memory and, where it is known what lanes hold (no software device is so), without.
void check(Int8Case c) {
  check_int8_product(c);
  Kernels kernels = shared_kernels();
  kernels.use_matrix_units(Kernels::MatrixUse::kAlways);
  if (!kernels.workgroup_limits().fragments) return;
  MatvecUnits& units = *c.choice->units;
  units.fragments = units.units = 1;
  units.tiles = std::min(units.tiles, 2U);
  check_int8_product(c);
}

// A software device takes most of a second to compile a kernel: each test has as few of them as will do.

TEST_F(MatvecUnitsTest, EveryKindOfFormat) {
  // Of signed codes, of unsigned ones with offsets, with two scales a unit, of a grid, and of a table of
  // values.
  for (const Format format : {Format::kQ8_0, Format::kQ4_K, Format::kQ6_K, Format::kIQ1_M, Format::kIQ4_NL}) {
    // Rows that are no whole tile, and columns that slices cannot share evenly.
    check({.format = format,
           .segments = {19, 4},
           .columns = quant::info(format).block_elements == 256 ? 256U : 96U,
           .vectors = 5,
           .normed = true,
           .choice = units(1, 1, 2)});
  }
}

TEST_F(MatvecUnitsTest, EveryNumberOfVectors) {
  for (const uint32_t used : {0U, 1U, 15U, 16U}) {
    check({.segments = {13}, .columns = 96, .vectors = 16, .used = used, .choice = units(1, 1, 1)});
  }
}

TEST_F(MatvecUnitsTest, CutUpInEveryWayAtOnce) {
  check({.format = Format::kQ4_K,
         .segments = {40, 9},
         .columns = 256,
         .vectors = 3,
         .bias = true,
         .first_output = 3,
         .choice = units(2, 2, 2, 2, 0)});
}

TEST_F(MatvecUnitsTest, Epilogues) {
  for (const Epilogue epilogue : {Epilogue::kAdd, Epilogue::kSwiGlu}) {
    check({.segments = {64, 128},
           .columns = 96,
           .vectors = 6,
           .used = 5,
           .epilogue = epilogue,
           .bias = true,
           .normed = epilogue == Epilogue::kSwiGlu,
           .makes_vectors = true,
           .choice = units(2, 4, 1)});
  }
  check({.segments = {20},
         .columns = 32,
         .vectors = 6,
         .epilogue = Epilogue::kSwiGlu,
         .choice = units(1, 1, 1)});
}

TEST_F(MatvecUnitsTest, SumsOfTwoVectors) {
  check({.format = Format::kQ6_K,
         .segments = {34, 9},
         .vectors = 7,
         .used = 6,
         .bias = true,
         .count = Count::kOutputs,
         .normed = true,
         .choice = units(1, 1, 2),
         .terms = 2});
}

TEST(MatvecUnitsChoiceTest, TakesTheMatricesThatFit) {
  const std::vector<UnitShape> nvidia{{16, 16, 16}, {16, 8, 16}, {16, 8, 8}};
  EXPECT_EQ(matvec_shape(nvidia, 2), (UnitShape{16, 8, 16}));
  EXPECT_EQ(matvec_shape(nvidia, 8), (UnitShape{16, 8, 16}));
  EXPECT_EQ(matvec_shape(nvidia, 16), (UnitShape{16, 16, 16}));
  EXPECT_EQ(unit_columns({16, 16, 16}, 17), 32U);
  EXPECT_THROW(matvec_shape({}, 2), Error);
}

/// As the PTX ISA draws the matrices of mma.m16n8k16.
std::vector<SeenFragments> nvidia_fragments() {
  std::vector<SeenFragments> lanes(32);
  for (uint32_t lane = 0; lane < 32; ++lane) {
    for (uint32_t i = 0; i < 8; ++i) {
      const uint32_t column = lane % 4 * 2 + i % 2 + (i >= 4 ? 8 : 0);
      lanes[lane].left[i] = (lane / 4 + i / 2 % 2 * 8) * 16 + column + 1;
    }
    for (uint32_t i = 0; i < 4; ++i) {
      const uint32_t row = lane % 4 * 2 + i % 2 + (i >= 2 ? 8 : 0);
      lanes[lane].right[i] = row * 8 + lane / 4 + 1;
    }
  }
  return lanes;
}

TEST(FragmentsTest, KnowsTheLayoutsThatTheKernelIsMadeFor) {
  const auto nvidia = match_fragments({16, 8, 16}, nvidia_fragments());
  ASSERT_TRUE(nvidia);
  EXPECT_EQ(nvidia->lanes_a_row, 4U);
  EXPECT_EQ(nvidia->rows_a_lane, 2U);
  // RDNA 3: a row a lane, in both halves of the subgroup.
  std::vector<SeenFragments> lanes(32);
  for (uint32_t lane = 0; lane < 32; ++lane) {
    for (uint32_t k = 0; k < 16; ++k) {
      lanes[lane].left[k] = lane % 16 * 16 + k + 1;
      lanes[lane].right[k] = k * 16 + lane % 16 + 1;
    }
  }
  const auto rows = match_fragments({16, 16, 16}, lanes);
  ASSERT_TRUE(rows);
  EXPECT_EQ(rows->lanes_a_row, 1U);
  EXPECT_EQ(rows->rows_a_lane, 1U);
}

TEST(FragmentsTest, TakesNothingElse) {
  const UnitShape shape{16, 8, 16};
  EXPECT_FALSE(match_fragments(shape, {}));
  EXPECT_FALSE(match_fragments(shape, std::vector<SeenFragments>(32)));
  for (const uint32_t lane : {0U, 17U, 31U}) {
    for (const uint32_t element : {0U, 3U, 7U}) {
      std::vector<SeenFragments> lanes = nvidia_fragments();
      lanes[lane].left[element] += 1;
      EXPECT_FALSE(match_fragments(shape, lanes));
      lanes = nvidia_fragments();
      lanes[lane].left[8] = 1;  // one more than there are
      EXPECT_FALSE(match_fragments(shape, lanes));
      lanes = nvidia_fragments();
      lanes[lane].right[element % 4] += 8;
      EXPECT_FALSE(match_fragments(shape, lanes));
    }
  }
}

TEST(MatvecUnitsChoiceTest, AllThatAreTriedArePossible) {
  for (const std::vector<UnitShape>& shapes :
       {std::vector<UnitShape>{{16, 16, 16}, {16, 8, 16}}, {{16, 16, 16}}, {{8, 16, 16}}}) {
    const WorkgroupLimits limits{32, 1024, 49152, shapes};
    for (const uint32_t vectors : {2U, 8U, 16U}) {
      for (const uint32_t group_rows : {0U, 32U, 64U}) {
        const ProductKey key{Format::kQ4_K, 4096, 4096, vectors, group_rows, group_rows == 64};
        const std::vector<MatvecUnits> all = matvec_units(key, limits);
        EXPECT_GE(all.size(), 4U);
        for (const MatvecUnits& one : all) EXPECT_TRUE(possible_units(one, key, limits));
        if (vectors >= 4) {
          EXPECT_EQ(usual_choice(key, limits), ProductChoice{.units = all.front()});
        }
      }
    }
  }
  const ProductKey key{Format::kQ4_K, 4096, 4096, 8};
  EXPECT_TRUE(matvec_units(key, {32, 1024, 49152}).empty());
  EXPECT_FALSE(possible_units({}, key, {32, 1024, 49152}));
  EXPECT_FALSE(possible_units({.tiles = 0}, key, {32, 1024, 49152, {{16, 16, 16}}}));
  EXPECT_FALSE(possible_units({.slices = 32}, key, {32, 1024, 49152, {{16, 16, 16}}}));
}

}  // namespace
}  // namespace caldera::kernels
