// Products of int8 vectors in tiles: every format, every kind of tile, against sums in double precision.
#include "kernels/int8_tile.hpp"

#include <gtest/gtest.h>

#include <set>

#include "caldera/error.hpp"
#include "kernels/int8_product_check.hpp"
#include "kernels/product_candidates.hpp"

namespace caldera::kernels {
namespace {

using quant::Format;
using Case = Int8Case;

/// Small tiles: software devices compile what a lane does for all lanes of a subgroup at once.
ProductChoice tile(uint32_t rows, uint32_t columns, uint32_t lane_rows, uint32_t lane_columns,
                   uint32_t units = 4, uint32_t slices = 1, uint32_t ahead = 1) {
  return {.tile = Int8Tile{rows, columns, lane_rows, lane_columns, units, slices, ahead}};
}

void check(const Case& c) {
  check_int8_product(c);
}

class Int8TileTest : public ::testing::TestWithParam<quant::FormatInfo> {};

TEST_P(Int8TileTest, ManyVectors) {
  const bool super = GetParam().block_elements == 256;
  Case c{.format = GetParam().format, .vectors = 16, .normed = true, .choice = tile(16, 8, 2, 2)};
  // Widths of whole tiles, and tails of one to three units.
  for (const uint32_t columns :
       super ? std::vector<uint32_t>{256, 768} : std::vector<uint32_t>{32, 96, 576}) {
    c.columns = columns;
    c.segments = {7};
    c.used = 11;
    check(c);
  }
  c.segments = {19, 2, 34};
  check(c);
}

INSTANTIATE_TEST_SUITE_P(, Int8TileTest, block_formats(), quant::format_name);

TEST(Int8TileShapeTest, EveryTileGivesTheSame) {
  for (const ProductChoice& choice :
       {tile(8, 8, 1, 1, 4, 1, 0), tile(32, 8, 1, 8, 8, 4), tile(16, 16, 4, 4, 4, 2), tile(64, 8, 2, 8, 4, 4),
        tile(8, 16, 4, 2, 8, 2, 0)}) {
    for (const Format format : {Format::kQ4_K, Format::kIQ1_M}) {
      check({.format = format,
             .segments = {50, 33, 1},
             .columns = 768,
             .vectors = 16,
             .used = 13,
             .normed = true,
             .choice = choice});
    }
  }
}

TEST(Int8TileShapeTest, EveryNumberOfVectors) {
  const ProductChoice choice = tile(16, 8, 2, 2);
  for (const uint32_t used : {0U, 1U, 7U, 8U, 9U, 31U, 32U}) {
    check({.segments = {13}, .columns = 96, .vectors = 32, .used = used, .choice = choice});
  }
  for (const uint32_t vectors : {1U, 3U, 8U, 100U}) {
    check({.segments = {13}, .columns = 96, .vectors = vectors, .choice = choice});
  }
}

TEST(Int8TileShapeTest, OutputsLimitTheHead) {
  check({.format = Format::kQ6_K,
         .segments = {70, 31},
         .vectors = 16,
         .used = 9,
         .count = Count::kOutputs,
         .choice = tile(16, 8, 2, 2)});
}

TEST(Int8TileEpilogueTest, AddsAndBiases) {
  for (const Epilogue epilogue : {Epilogue::kStore, Epilogue::kAdd, Epilogue::kSwiGlu}) {
    for (const bool bias : {false, true}) {
      check({.format = Format::kQ4_0,
             .segments = {6, 30, 2},
             .columns = 96,
             .vectors = 16,
             .used = 10,
             .epilogue = epilogue,
             .bias = bias,
             .first_output = 7,
             .normed = bias,
             .choice = tile(16, 8, 2, 2, 4, 2)});
    }
  }
}

TEST(Int8TileEpilogueTest, MakesVectors) {
  for (const Epilogue epilogue : {Epilogue::kAdd, Epilogue::kSwiGlu}) {
    for (const bool other : {false, true}) {
      check({.format = Format::kQ5_0,
             .segments = {192, 64},
             .columns = 96,
             .vectors = 16,
             .used = other ? 11U : 16U,
             .epilogue = epilogue,
             .bias = other,
             .first_output = other ? 5U : 0U,
             .normed = other,
             .makes_vectors = true,
             .choice = tile(other ? 128 : 64, 8, 4, 2, 4, other ? 1 : 2)});
    }
  }
  // The residual stream's units are of 32 rows, and a tile may have more than there are.
  check({.segments = {32, 96},
         .vectors = 9,
         .epilogue = Epilogue::kAdd,
         .makes_vectors = true,
         .choice = tile(64, 8, 4, 2)});
}

TEST(Int8TileUsualTest, NeedsNoChoice) {
  check({.segments = {70}, .columns = 96, .vectors = 17});
  check({.segments = {128},
         .columns = 96,
         .vectors = 64,
         .epilogue = Epilogue::kSwiGlu,
         .normed = true,
         .makes_vectors = true});
}

std::vector<ProductKey> keys() {
  std::vector<ProductKey> keys;
  for (const uint32_t vectors : {1U, 8U, 16U, 32U, 64U, 512U}) {
    for (const Format format : {Format::kQ4_K, Format::kIQ1_S}) {
      keys.push_back({format, 4096, 2048, vectors, 0, false});
      keys.push_back({format, 4096, 2048, vectors, 0, true});
      keys.push_back({format, 4096, 2048, vectors, 32, false});
      keys.push_back({format, 4096, 2048, vectors, 64, true});
    }
  }
  return keys;
}

TEST(Int8TileCandidatesTest, ThereIsOneForEveryDevice) {
  for (const uint32_t subgroup : {8U, 16U, 32U, 64U}) {
    for (const uint32_t threads : {128U, 1024U}) {
      for (const uint32_t shared : {kLeastShared, 49152U}) {
        const WorkgroupLimits limits{subgroup, threads, shared};
        for (const ProductKey& key : keys()) {
          const Int8Tile usual = usual_int8_tile(key, limits);
          EXPECT_TRUE(possible_tile(usual, key, limits))
              << usual.rows << " x " << usual.columns << " for " << key.vectors << " vectors, subgroups of "
              << subgroup << ", " << threads << " threads, " << shared << " bytes";
        }
      }
    }
  }
}

TEST(Int8TileCandidatesTest, AreSomeDozensThatASearchReaches) {
  const WorkgroupLimits limits{32, 1024, 49152};
  for (const ProductKey& key : keys()) {
    if (key.vectors < 8) continue;
    const std::vector<Int8Tile> all = int8_tiles(key, limits);
    EXPECT_EQ(std::set<Int8Tile>(all.begin(), all.end()).size(), all.size());
    EXPECT_GE(all.size(), 8U);
    EXPECT_LE(all.size(), 160U);
    std::set<ProductChoice> reached;
    std::vector<ProductChoice> next{{.tile = usual_int8_tile(key, limits)}};
    while (!next.empty()) {
      const ProductChoice from = next.back();
      next.pop_back();
      if (!reached.insert(from).second) continue;
      for (const ProductChoice& to : neighbours(from, key, limits)) next.push_back(to);
    }
    for (const Int8Tile& one : all) EXPECT_TRUE(reached.contains({.tile = one}));
  }
}

TEST(Int8TileErrorTest, RefusesWhatItCannotDo) {
  const DeviceArray<float> memory(4096);
  const TestMatrix weights(Format::kQ8_0, 64, 32, 1);
  const auto refuses = [&](const TestMatrix& matrix, const ProductChoice& choice, Epilogue epilogue,
                           bool makes_vectors) {
    Product product{&matrix.get(), memory.range(), memory.range(), 256, 0, 0,
                    epilogue,      Count::kTokens, Input::kInt8};
    if (makes_vectors) product.out_int8 = memory.range();
    Kernels kernels = shared_kernels();
    kernels.choose(key_of(product, 16), choice);
    EXPECT_THROW(run(kernels, product, TestBatch::of(1, 16), {16}), Error);
  };
  refuses(weights, tile(32, 8, 4, 2), Epilogue::kSwiGlu, true);     // half a unit
  refuses(weights, tile(64, 8, 4, 2, 3), Epilogue::kStore, false);  // units that no slice can share
  refuses(weights, tile(64, 32, 64, 2), Epilogue::kStore, false);   // sums that no registers hold
  refuses(weights, {}, Epilogue::kStore, false);                    // rows that are streamed
  refuses(TestMatrix(Format::kF16, 64, 32, 1), tile(32, 8, 4, 2), Epilogue::kStore, false);
}

}  // namespace
}  // namespace caldera::kernels
