// Products on matrix units, every format in either storage, against sums in double precision. Where the
// device has no such units there is nothing to test: script/with-lavapipe has a software device with them.
#include <gtest/gtest.h>

#include "caldera/error.hpp"
#include "kernels/product_check.hpp"

namespace caldera::kernels {
namespace {

using quant::Format;

class MatrixProductTest : public ::testing::Test {
 protected:
  void SetUp() override {
    // Where it has none, kernels_matrix_product_test_matrix runs the same tests on a software device with
    // them.
    if (shared_kernels().matrix_units().shapes.empty()) GTEST_SKIP() << "the device has no matrix units";
  }
};

void check(ProductCase c) {
  c.matrix_units = true;
  check_product(c);
}

// A software device takes most of a second to compile a kernel: each test has as few of them as will do.

TEST_F(MatrixProductTest, EveryFormat) {
  for (const quant::FormatInfo& info : quant::formats()) {
    // Rows of several steps, and more of them than a tile, the last one not full.
    const uint32_t columns = info.block_elements == 256 ? 512 : 96;
    check(
        {.format = info.format, .segments = {37}, .columns = columns, .vectors = 17, .input = Input::kHalf});
  }
}

TEST_F(MatrixProductTest,
       FileLayout) {  // decoded by what other products of the file's layout are tested with
  for (const Format format : {Format::kQ4_0, Format::kQ6_K}) {
    check({.format = format,
           .storage = Storage::kFile,
           .segments = {30, 7},
           .columns = 512,
           .vectors = 17,
           .input = Input::kHalf});
  }
}

TEST_F(MatrixProductTest, AwkwardShapes) {
  for (const uint32_t vectors : {9U, 17U, 100U, 257U}) {
    for (const uint32_t rows : {1U, 33U}) check({.segments = {rows}, .columns = 64, .vectors = vectors});
  }
  for (const uint32_t used : {0U, 1U, 8U, 15U, 16U}) {
    check({.segments = {8, 4, 41}, .vectors = 16, .used = used, .first_output = 4});
  }
  check({.segments = {7, 2, 41}, .vectors = 24, .used = 19, .count = Count::kOutputs, .first_output = 5});
  check({.segments = {33}, .vectors = kMaxSumColumns + 1, .count = Count::kOutputs});
}

TEST_F(MatrixProductTest, Epilogues) {
  for (const Epilogue epilogue : {Epilogue::kAdd, Epilogue::kSwiGlu}) {
    check({.segments = {34}, .vectors = 9, .epilogue = epilogue, .bias = true, .first_output = 1});
    check({.segments = {12, 42, 2}, .vectors = 17, .epilogue = epilogue, .bias = true, .spare = 4});
  }
}

/// `tiles` that count matrix instructions, in tokens and rows.
MatrixTiles of_units(MatrixTiles tiles) {
  const UnitShape shape = shared_kernels().matrix_units().shapes.front();
  tiles.tokens *= shape.m;
  tiles.tile_tokens *= shape.m;
  tiles.rows *= shape.n;
  tiles.tile_rows *= shape.n;
  return tiles;
}

TEST_F(MatrixProductTest, EveryWayToCutItUp) {
  for (const MatrixTiles& tiles :
       {MatrixTiles{.tokens = 4, .rows = 2, .tile_tokens = 2, .tile_rows = 1, .buffers = 1},
        MatrixTiles{.tokens = 2, .rows = 3, .tile_tokens = 1, .tile_rows = 1, .step = 64},
        MatrixTiles{.tokens = 8, .rows = 4, .tile_tokens = 4, .tile_rows = 2, .buffers = 1}}) {
    check({.segments = {50},
           .columns = 96,
           .vectors = 50,
           .input = Input::kHalf,
           .matrix_tiles = of_units(tiles)});
  }
}

TEST_F(MatrixProductTest, ColumnsInParts) {
  MatrixTiles tiles = of_units({.tokens = 2, .rows = 2, .tile_tokens = 1, .tile_rows = 1});
  for (const uint32_t parts : {2U, 3U, 5U}) {  // of 17 steps
    tiles.parts = parts;
    check({.segments = {48},
           .columns = 544,
           .vectors = 33,
           .used = 30,
           .spare = 4,
           .input = Input::kHalf,
           .matrix_tiles = tiles});
  }
  for (const Epilogue epilogue : {Epilogue::kAdd, Epilogue::kSwiGlu}) {
    check({.segments = {32},
           .columns = 512,
           .vectors = 17,
           .epilogue = epilogue,
           .bias = true,
           .first_output = 16,
           .spare = 4,
           .matrix_tiles = tiles});
  }
}

TEST_F(MatrixProductTest, PartsAreAddedUpInOneOrder) {
  const TestMatrix weights(Format::kQ8_0, 32, 2048, 1);
  constexpr uint32_t kVectors = 16;
  const DeviceArray<float> x(test::uniforms(size_t{kVectors} * 2048, 2));
  const DeviceArray<float> out = untouched(size_t{kVectors} * 32);
  const DeviceArray<float> part_sums = untouched(size_t{16} * kVectors * 32);
  const DeviceArray<uint32_t> part_counters(std::vector<uint32_t>(2));
  Product product{&weights.get(), x.range(), out.range(), 32, 0, 0, Epilogue::kStore, Count::kTokens};
  product.part_sums = part_sums.range();
  product.part_counters = part_counters.range();
  Kernels kernels = shared_kernels();
  kernels.use_matrix_units(Kernels::MatrixUse::kAlways);
  MatrixTiles tiles = kernels.tiles(matrix_key_of(product, kVectors));
  tiles.parts = kMostMatrixParts;
  kernels.choose(matrix_key_of(product, kVectors), tiles);
  const TestBatch batch = TestBatch::of(kVectors);
  run(kernels, product, batch, {kVectors});
  const std::vector<float> first = out.get();
  for (int again = 0; again < 5; ++again) {
    run(kernels, product, batch, {kVectors});
    EXPECT_EQ(out.get(), first);
  }
}

TEST_F(MatrixProductTest, LargeActivationsStayFinite) {
  // 1e6 is beyond f16, but not times the scale of activations between feed-forward matrices.
  for (const Input input : {Input::kF32, Input::kHalf}) {
    check({.vectors = 17, .input = input, .half_scale = kHiddenScale, .size = 1e6F});
  }
  const TestMatrix weights(Format::kQ8_0, 32, 256, 1);
  const DeviceArray<float> x(std::vector<float>(size_t{16} * 256, 1e6F));
  const DeviceArray<float> out = untouched(size_t{16} * 32);
  Kernels kernels = shared_kernels();
  kernels.use_matrix_units(Kernels::MatrixUse::kAlways);
  const TestBatch batch = TestBatch::of(16);
  run(kernels, Product{&weights.get(), x.range(), out.range(), 32, 0, 0, Epilogue::kStore, Count::kTokens},
      batch, {16});
  for (const float value : out.get()) EXPECT_TRUE(std::isfinite(value));
}

TEST_F(MatrixProductTest, WeightsInBf16KeepTheirRange) {
  // No software device multiplies bf16, and Debian 12's and 13's compilers do not know it: the weights are
  // f16 then, which EveryFormat sees. That bf16 is chosen where it can be,
  // UnitShapes.OfBf16AreForWeightsInBf16 sees everywhere.
  if (!takes_bf16(Format::kBF16, shared_kernels().matrix_units())) {
    GTEST_SKIP() << "the device, or the shader compiler, has no matrices of bf16";
  }
  for (const Input input : {Input::kF32, Input::kHalf}) {
    for (const float size : {1e30F, 1e-30F}) {
      check({.format = Format::kBF16, .segments = {37}, .vectors = 17, .input = input, .weight_size = size});
    }
  }
}

TEST_F(MatrixProductTest, MakesHalvesOfGateAndUp) {
  const TestMatrix weights(Format::kQ8_0, 72, 128, 1);
  constexpr uint32_t kVectors = 19;
  std::vector<float> x = test::uniforms(size_t{kVectors} * 128, 2);
  for (float& value : x) value *= 60;  // results of up to some 100 000
  const DeviceArray<float> device_x(x);
  const DeviceArray<uint16_t> halves(std::vector<uint16_t>(size_t{kVectors} * 36, 0x7C01));
  const DeviceArray<float> out = untouched(size_t{kVectors} * 36);
  Product product{&weights.get(), device_x.range(), out.range(), 36, 0, 0, Epilogue::kSwiGlu, Count::kTokens};
  Kernels kernels = shared_kernels();
  kernels.use_matrix_units(Kernels::MatrixUse::kAlways);
  const TestBatch batch = TestBatch::of(kVectors);
  run(kernels, product, batch, {kVectors});
  product.out = halves.range();
  product.half_out = true;
  run(kernels, product, batch, {kVectors});
  const std::vector<float> floats = out.get();
  const std::vector<uint16_t> got = halves.get();
  double largest = 0;
  for (size_t i = 0; i < floats.size(); ++i) {
    EXPECT_EQ(got[i], quant::f16_from_float(floats[i] * kHiddenScale)) << i;
    largest = std::max<double>(largest, std::abs(floats[i]));
  }
  EXPECT_GT(largest, 65504);
}

TEST_F(MatrixProductTest, RefusesHalvesThatItCannotTake) {
  const TestMatrix weights(Format::kQ8_0, 32, 128, 1);
  const DeviceArray<float> memory(4096);
  const Product product{&weights.get(),   memory.range(), memory.range(), 32, 0, 0,
                        Epilogue::kStore, Count::kTokens, Input::kHalf};
  Kernels kernels = shared_kernels();
  EXPECT_THROW(run(kernels, product, TestBatch::of(16), {16}), Error);  // a software device, not told to
  kernels.use_matrix_units(Kernels::MatrixUse::kAlways);
  EXPECT_THROW(run(kernels, product, TestBatch::of(4), {4}), Error);
}

}  // namespace
}  // namespace caldera::kernels
