// Which tiles are tried and taken for products on matrix units, and what is remembered of them.
#include "kernels/matrix_tuner.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>

#include "gguf/temporary_folder.hpp"
#include "kernels/kernel_test.hpp"
#include "kernels/product_memory.hpp"

namespace caldera::kernels {
namespace {

using quant::Format;

constexpr uint32_t kKiB = 1024;

/// What an H100 reports.
const MatrixUnits kHopper{{{16, 16, 16}, {16, 8, 16}, {16, 8, 8}}, 32, 1024, 48 * kKiB, false};
/// What RADV reports of a gfx1151.
const MatrixUnits kStrixHalo{{{16, 16, 16}}, 32, 1024, 64 * kKiB, false};

TEST(MatrixTilesTest, TheUsualOnesFillTheDevice) {
  // Llama 8B: gate and up, output, and a short prompt's.
  const MatrixTiles large = usual_tiles({Format::kQ4_K, 28672, 4096, 2048}, kHopper);
  EXPECT_EQ(large, (MatrixTiles{128, 128, 64, 64, 32, 2, {16, 16, 16}}));
  const MatrixTiles small = usual_tiles({Format::kQ4_K, 4096, 4096, 512}, kHopper);
  EXPECT_GE(512 / small.tokens * (4096 / small.rows), 256U);
  EXPECT_EQ(usual_tiles({Format::kQ4_K, 4096, 4096, 32}, kHopper).tokens, 32U);
  EXPECT_EQ(usual_tiles({Format::kQ4_K, 4096, 4096, 16}, kHopper).tokens, 16U);
}

TEST(MatrixTilesTest, CandidatesAreAllPossible) {
  for (const MatrixUnits& units : {kHopper, kStrixHalo}) {
    for (const quant::FormatInfo& info : quant::formats()) {
      for (uint32_t tokens = 16; tokens <= 4096; tokens *= 2) {
        for (const uint32_t rows : {1U, 1024U, 128256U}) {
          const MatrixKey key{info.format, rows, 4096, tokens};
          const std::vector<MatrixTiles> all = matrix_candidates(key, units);
          EXPECT_EQ(all.front(), usual_tiles(key, units));
          EXPECT_LE(all.size(), 16U);
          for (const MatrixTiles& tiles : all) {
            EXPECT_TRUE(possible(tiles, info.format, units));
            EXPECT_EQ(std::ranges::count(all, tiles), 1);
          }
        }
      }
      EXPECT_GE(matrix_candidates({info.format, 4096, 4096, 512}, units).size(), 6U);
    }
  }
}

TEST(MatrixTilesTest, TilesOfFewRowsAreForProductsThatLeaveADeviceIdle) {
  const auto few = [](const MatrixKey& key) {
    return std::ranges::count(matrix_candidates(key, kHopper), 32U, &MatrixTiles::rows);
  };
  EXPECT_EQ(few({Format::kQ4_K, 4096, 14336, 64}), 1);
  EXPECT_EQ(few({Format::kQ4_K, 28672, 4096, 64}), 0);
  EXPECT_EQ(few({Format::kQ4_K, 4096, 4096, 2048}), 0);
}

TEST(MatrixTilesTest, PartsFillADeviceThatTilesDoNot) {
  const auto groups = [](uint32_t rows, uint32_t columns) {
    const MatrixTiles tiles = usual_tiles({Format::kQ4_K, rows, columns, 64}, kHopper);
    return std::pair(rows / tiles.rows * tiles.parts, tiles.parts);
  };
  EXPECT_EQ(groups(4096, 14336), std::pair(256U, 4U));
  EXPECT_EQ(groups(1024, 4096).second, 16U);
  EXPECT_EQ(groups(1024, 512).second, 4U);  // parts of fewer columns are not worth adding up
  EXPECT_EQ(groups(28672, 4096).second, 1U);
  const auto candidates = matrix_candidates({Format::kQ4_K, 4096, 14336, 64}, kHopper);
  EXPECT_EQ(candidates.front().parts, 4U);
  EXPECT_EQ(candidates[1].parts, 8U);
  EXPECT_EQ(candidates[2].parts, 1U);
}

TEST(MatrixTilesTest, WhatDoesNotFitIsNotPossible) {
  const MatrixTiles good{128, 128, 64, 64, 32, 2, {16, 16, 16}};
  ASSERT_TRUE(possible(good, Format::kQ4_K, kHopper));
  const auto refused = [&](auto change) {
    MatrixTiles tiles = good;
    change(tiles);
    return !possible(tiles, Format::kQ4_K, kHopper);
  };
  EXPECT_TRUE(refused([](MatrixTiles& tiles) { tiles.shape = {8, 8, 8}; }));
  EXPECT_TRUE(refused([](MatrixTiles& tiles) { tiles.step = 64; }));  // too much shared memory
  EXPECT_TRUE(refused([](MatrixTiles& tiles) { tiles.tile_tokens = 48; }));
  EXPECT_TRUE(refused([](MatrixTiles& tiles) { tiles.tile_rows = 0; }));
  EXPECT_TRUE(refused([](MatrixTiles& tiles) { tiles.buffers = 3; }));
  EXPECT_TRUE(refused([](MatrixTiles& tiles) { tiles.parts = kMostMatrixParts + 1; }));
  EXPECT_TRUE(refused([](MatrixTiles& tiles) { tiles.tile_tokens = 128; }));  // too many sums
  EXPECT_TRUE(refused([](MatrixTiles& tiles) { tiles.rows = UINT32_MAX; }));
}

class MatrixMemoryTest : public ::testing::Test {
 protected:
  std::filesystem::path file() const { return folder_.path() / "choices.json"; }
  const MemoryOwner owner_{"A device", "A driver 1.2", "0123"};
  const RememberedMatrices matrices_{
      {{Format::kQ4_K, 4096, 14336, 512}, {{128, 64, 64, 32, 32, 2, {16, 16, 16}}, 12.5}},
      {{Format::kQ6_K, 1024, 4096, 64}, {{64, 64, 32, 32, 64, 1, {16, 8, 16}}, 3.25}}};
  gguf::TemporaryFolder folder_;
};

TEST_F(MatrixMemoryTest, ReadsWhatItWrote) {
  EXPECT_TRUE(read_matrix_memory(file(), owner_, kHopper).empty());
  write_matrix_memory(file(), owner_, matrices_);
  const RememberedMatrices read = read_matrix_memory(file(), owner_, kHopper);
  ASSERT_EQ(read.size(), 2U);
  for (const auto& [key, remembered] : matrices_) {
    EXPECT_EQ(read.at(key).tiles, remembered.tiles);
    EXPECT_EQ(read.at(key).microseconds, remembered.microseconds);
  }
  // Units of other shapes, and another owner, have nothing.
  EXPECT_TRUE(read_matrix_memory(file(), owner_, kStrixHalo).empty());
  EXPECT_TRUE(read_matrix_memory(file(), {"A device", "A driver 1.3", "0123"}, kHopper).empty());
}

TEST_F(MatrixMemoryTest, LeavesOtherChoicesAlone) {
  const ProductMemoryOwner owner{owner_, {32, 1024}};
  const RememberedChoices choices{{{Format::kQ4_K, 4096, 4096, 1, 0, false}, {{4, 2, 1, 1, 0}, 1.5}}};
  write_product_memory(file(), owner, choices);
  write_matrix_memory(file(), owner_, matrices_);
  write_product_memory(file(), owner, choices);
  EXPECT_EQ(read_product_memory(file(), owner).size(), 1U);
  EXPECT_EQ(read_matrix_memory(file(), owner_, kHopper).size(), 2U);
}

TEST_F(MatrixMemoryTest, DamageCountsAsEmpty) {
  write_matrix_memory(file(), owner_, matrices_);
  std::ifstream stream(file(), std::ios::binary);
  const std::string whole{std::istreambuf_iterator<char>(stream), {}};
  for (size_t length = 0; length < whole.size() - 2; length += 31) {
    std::ofstream(file(), std::ios::binary) << whole.substr(0, length);
    EXPECT_TRUE(read_matrix_memory(file(), owner_, kHopper).empty()) << length;
  }
}

TEST(MatrixTunerTest, TunesAndRemembers) {
  Kernels kernels = shared_kernels();
  // Where it has none, kernels_matrix_product_test_matrix runs this on a software device with them.
  if (kernels.matrix_units().shapes.empty()) GTEST_SKIP() << "the device has no matrix units";
  const TestMatrix weights(Format::kQ8_0, 48, 64, 1);
  const DeviceArray<float> memory(4096);
  const Product product{&weights.get(),   memory.range(), memory.range(), 48, 0, 0,
                        Epilogue::kStore, Count::kTokens};
  gguf::TemporaryFolder folder;
  const std::filesystem::path file = folder.path() / "choices.json";
  const TuneOptions options{.budget = std::chrono::seconds(60), .any_device = true};
  EXPECT_TRUE(tune_matrices(test::device(), kernels, {&product, 1}, 16, file, options).empty());  // not used
  kernels.use_matrix_units(Kernels::MatrixUse::kAlways);
  EXPECT_TRUE(
      tune_matrices(test::device(), kernels, {&product, 1}, 8, file, options).empty());  // not for so few
  const auto first = tune_matrices(test::device(), kernels, {&product, 1}, 16, file, options);
  ASSERT_EQ(first.size(), 1U);
  EXPECT_GE(first[0].tried, 2U);
  EXPECT_GT(first[0].seconds, 0);
  EXPECT_LE(first[0].seconds, first[0].usual_seconds);
  EXPECT_EQ(kernels.tiles(first[0].key), first[0].tiles);
  const auto second = tune_matrices(test::device(), kernels, {&product, 1}, 16, file, options);
  ASSERT_EQ(second.size(), 1U);
  EXPECT_TRUE(second[0].remembered);
  EXPECT_EQ(second[0].tiles, first[0].tiles);
}

}  // namespace
}  // namespace caldera::kernels
