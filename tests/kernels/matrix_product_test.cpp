// Products on matrix units, every format in either storage, against sums in double precision. Where the
// device has no such units there is nothing to test: script/with-lavapipe has a software device with them.
#include <gtest/gtest.h>

#include <algorithm>

#include "caldera/error.hpp"
#include "kernels/each_storage.hpp"
#include "kernels/expected_product.hpp"
#include "kernels/kernel_test.hpp"
#include "quant/half.hpp"

namespace caldera::kernels {
namespace {

using quant::Format;

/// One product to check; what is not named has the value of the plainest case.
struct Case {
  Format format = Format::kQ8_0;
  Storage storage = Storage::kResident;
  std::vector<uint32_t> segments{32};  ///< rows of each
  uint32_t columns = 256;
  uint32_t vectors = 17;       ///< columns the recording is made for
  uint32_t used = UINT32_MAX;  ///< columns of the batch; UINT32_MAX: all
  Epilogue epilogue = Epilogue::kStore;
  bool bias = false;
  Count count = Count::kTokens;
  uint32_t first_output = 0;
  uint32_t spare = 3;  ///< outputs beyond the product's in each row of `out`
  Input input = Input::kF32;
  float half_scale = 1;
  float size = 1;  ///< activations are between -size and size
  std::optional<MatrixTiles> tiles;
};

/// How far sums of f16 may be from `sums` of numbers that were rounded to it. A weight and an activation are
/// each off by 2^-11 of themselves at most, or 2^-25 where f16 is subnormal, and so a product by 2^-10.
/// Rounding errors of different products have nothing to do with each other: they add up as the root of the
/// sum of their squares, of which twelve standard deviations are demanded; and in no case more than if all
/// were the largest at once.
void widen_for_f16(Expected& sums, const TestMatrix& weights, std::span<const double> x, float half_scale) {
  for (uint32_t r = 0; r < weights.get().rows; ++r) {
    double magnitude = 0;
    double squares = 0;
    double steps = 0;
    for (size_t k = 0; k < x.size(); ++k) {
      const double weight = weights.values[r * x.size() + k];
      const double term = std::abs(weight * x[k]);
      magnitude += term;
      squares += term * term;
      steps += std::abs(weight) * 0x1p-25 / half_scale + std::abs(x[k]) * 0x1p-25;
    }
    sums.tolerance[r] +=
        std::min(0x1p-10 * magnitude, 12 * 0x1p-10 / std::sqrt(12.0) * std::sqrt(squares)) + steps;
  }
}

class MatrixProductTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (shared_kernels().matrix_units().shapes.empty()) GTEST_SKIP() << "the device has no matrix units";
  }
};

void check(const Case& c) {
  SCOPED_TRACE(::testing::Message() << stored_name({c.format, c.storage}) << ": "
                                    << ::testing::PrintToString(c.segments) << " rows of " << c.columns
                                    << ", " << c.used << " of " << c.vectors << " vectors, epilogue "
                                    << static_cast<uint32_t>(c.epilogue) << (c.bias ? ", bias" : ""));
  const uint32_t used = std::min(c.used, c.vectors);
  const TestMatrix weights(c.format, c.storage, c.columns, c.segments, 1);
  const uint32_t rows = weights.get().rows;
  const uint32_t outputs = c.epilogue == Epilogue::kSwiGlu ? rows / 2 : rows;
  const uint32_t stride = c.first_output + outputs + c.spare;
  // Vectors beyond the batch's are NaN: they must not reach a result.
  std::vector<float> x = test::uniforms(uint64_t{c.vectors} * c.columns, 2);
  for (float& value : x) value *= c.size;
  std::fill(x.begin() + int64_t{used} * c.columns, x.end(), NAN);
  std::vector<uint16_t> halves;
  for (const float value : x) halves.push_back(quant::f16_from_float(value * c.half_scale));
  const std::vector<float> bias = test::uniforms(rows, 3);
  const std::vector<float> before = c.epilogue == Epilogue::kAdd
                                        ? test::uniforms(uint64_t{c.vectors} * stride, 4)
                                        : std::vector<float>(uint64_t{c.vectors} * stride, kUntouched);
  const DeviceArray<float> device_x(x);
  const DeviceArray<uint16_t> device_halves(halves);
  const DeviceArray<float> device_bias(bias);
  const DeviceArray<float> out(before);
  // The count that is not asked about is larger, so that taking the wrong one shows.
  const TestBatch batch =
      c.count == Count::kTokens ? TestBatch::of(used, c.vectors) : TestBatch::of(used + c.vectors, used);
  Product product{&weights.get(), c.input == Input::kHalf ? device_halves.range() : device_x.range(),
                  out.range(),    stride,
                  c.first_output, c.bias ? device_bias.address() : 0,
                  c.epilogue,     c.count,
                  c.input};
  product.half_scale = c.half_scale;
  Kernels kernels = shared_kernels();
  kernels.use_matrix_units(Kernels::MatrixUse::kAlways);
  if (c.tiles) {
    MatrixTiles tiles = *c.tiles;
    tiles.shape = kernels.matrix_units().shapes.front();
    ASSERT_TRUE(possible(tiles, c.format, kernels.matrix_units()));
    kernels.choose(matrix_key_of(product, c.vectors), tiles);
  }
  run(kernels, product, batch, {c.vectors});

  std::vector<Expected> expected;
  for (uint32_t v = 0; v < used; ++v) {
    const std::vector<double> values(x.begin() + int64_t{v} * c.columns,
                                     x.begin() + int64_t{v + 1} * c.columns);
    Expected sums = expected_sums(weights, values, c.bias ? bias : std::vector<float>());
    widen_for_f16(sums, weights, values, c.half_scale);
    const auto held_before = std::span(before).subspan(size_t{v} * stride, stride);
    expected.push_back(expected_outputs(sums, c.epilogue, held_before, c.first_output));
  }
  expect_outputs(out.get(), expected, before, stride);
}

// A software device takes most of a second to compile a kernel: each test has as few of them as will do.

TEST_F(MatrixProductTest, EveryFormat) {
  for (const quant::FormatInfo& info : quant::formats()) {
    // Rows of several steps, and more of them than a tile, the last one not full.
    const uint32_t columns = info.block_elements == 256 ? 512 : 96;
    check({.format = info.format, .segments = {37}, .columns = columns, .input = Input::kHalf});
  }
}

TEST_F(MatrixProductTest,
       FileLayout) {  // decoded by what other products of the file's layout are tested with
  for (const Format format : {Format::kQ4_0, Format::kQ6_K}) {
    check({.format = format,
           .storage = Storage::kFile,
           .segments = {30, 7},
           .columns = 512,
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
}

TEST_F(MatrixProductTest, Epilogues) {
  for (const Epilogue epilogue : {Epilogue::kAdd, Epilogue::kSwiGlu}) {
    check({.segments = {34}, .vectors = 9, .epilogue = epilogue, .bias = true, .first_output = 1});
    check({.segments = {12, 42, 2}, .epilogue = epilogue, .bias = true, .spare = 4});
  }
}

TEST_F(MatrixProductTest, EveryWayToCutItUp) {
  for (const MatrixTiles& tiles :
       {MatrixTiles{.tokens = 32, .rows = 16, .tile_tokens = 16, .tile_rows = 8, .buffers = 1},
        MatrixTiles{.tokens = 16, .rows = 24, .tile_tokens = 8, .tile_rows = 8, .step = 64}}) {
    check({.segments = {50}, .columns = 96, .vectors = 50, .input = Input::kHalf, .tiles = tiles});
  }
}

TEST_F(MatrixProductTest, LargeActivationsStayFinite) {
  // 1e6 is beyond f16, but not times the scale of activations between feed-forward matrices.
  for (const Input input : {Input::kF32, Input::kHalf}) {
    check({.input = input, .half_scale = kHiddenScale, .size = 1e6F});
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
