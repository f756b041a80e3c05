// One product of floats, recorded, run and compared with sums in double precision.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <optional>

#include "kernels/each_storage.hpp"
#include "kernels/expected_product.hpp"
#include "kernels/kernel_test.hpp"
#include "quant/half.hpp"

namespace caldera::kernels {

/// One product to check; what is not named has the value of the plainest case.
struct ProductCase {
  quant::Format format = quant::Format::kQ8_0;
  Storage storage = Storage::kResident;
  std::vector<uint32_t> segments{32};  ///< rows of each
  uint32_t columns = 256;
  uint32_t vectors = 1;        ///< columns the recording is made for
  uint32_t used = UINT32_MAX;  ///< columns of the batch; UINT32_MAX: all
  Epilogue epilogue = Epilogue::kStore;
  bool bias = false;
  Count count = Count::kTokens;
  uint32_t first_output = 0;
  uint32_t spare = 3;  ///< outputs beyond the product's in each row of `out`
  Kernels::Tiles tiles = Kernels::Tiles::kAuto;
  // Of products on matrix units.
  Input input = Input::kF32;
  float half_scale = 1;
  float size = 1;  ///< activations are between -size and size
  std::optional<MatrixTiles> matrix_tiles{};
  bool matrix_units = false;
  float weight_size = 1;  ///< weights are between -weight_size and weight_size
};

/// How far sums of f16, or of weights in bf16 with activations rounded to it, may be from `sums` of numbers
/// that were not rounded. In f16 a weight and an activation are each off by 2^-11 of themselves at most, or
/// 2^-25 where f16 is subnormal, and so a product by 2^-10. In bf16 weights are what they were, and an
/// activation is off by 2^-9, and by 2^-11 before that where it comes in f16.
/// Rounding errors of different products have nothing to do with each other: they add up as the root of the
/// sum of their squares, of which twelve standard deviations are demanded; and in no case more than if all
/// were the largest at once.
inline void widen_for_rounding(Expected& sums, const TestMatrix& weights, std::span<const double> x,
                               bool bf16, float half_scale) {
  const double rounding = bf16 ? 0x1p-9 + 0x1p-11 : 0x1p-10;
  const double weight_step = bf16 ? 0 : 0x1p-25;
  for (uint32_t r = 0; r < weights.get().rows; ++r) {
    double magnitude = 0;
    double squares = 0;
    double steps = 0;
    for (size_t k = 0; k < x.size(); ++k) {
      const double weight = weights.values[r * x.size() + k];
      const double term = std::abs(weight * x[k]);
      magnitude += term;
      squares += term * term;
      steps += std::abs(weight) * 0x1p-25 / half_scale + std::abs(x[k]) * weight_step;
    }
    sums.tolerance[r] +=
        std::min(rounding * magnitude, 12 * rounding / std::sqrt(12.0) * std::sqrt(squares)) + steps;
  }
}

inline void check_product(const ProductCase& c) {
  SCOPED_TRACE(::testing::Message() << stored_name({c.format, c.storage}) << ": "
                                    << ::testing::PrintToString(c.segments) << " rows of " << c.columns
                                    << ", " << c.used << " of " << c.vectors << " vectors, epilogue "
                                    << static_cast<uint32_t>(c.epilogue) << (c.bias ? ", bias" : "")
                                    << (c.matrix_units ? ", on matrix units" : ""));
  const uint32_t used = std::min(c.used, c.vectors);
  const TestMatrix weights(c.format, c.storage, c.columns, c.segments, 1, c.weight_size);
  const uint32_t rows = weights.get().rows;
  const uint32_t outputs = c.epilogue == Epilogue::kSwiGlu ? rows / 2 : rows;
  const uint32_t stride = c.first_output + outputs + c.spare;
  // Vectors beyond the batch's are NaN: they must not reach a result. The kernels of 1, 2, 4 and 8 vectors
  // read the next such number of them.
  const uint32_t held = c.vectors <= kMaxVectorColumns ? kMaxVectorColumns : c.vectors;
  std::vector<float> x = test::uniforms(uint64_t{held} * c.columns, 2);
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
  const uint32_t parts = c.matrix_tiles ? c.matrix_tiles->parts : 1;
  const uint64_t all_rows = uint64_t{stride} * (c.epilogue == Epilogue::kSwiGlu ? 2 : 1);
  const DeviceArray<float> part_sums = untouched(parts * all_rows * c.vectors);
  const DeviceArray<uint32_t> part_counters(
      std::vector<uint32_t>((all_rows + 15) / 16 * ((c.vectors + 15) / 16)));
  if (parts > 1) {
    product.part_sums = part_sums.range();
    product.part_counters = part_counters.range();
  }
  Kernels kernels = shared_kernels();
  kernels.set_tiles(c.tiles);
  if (c.matrix_units) kernels.use_matrix_units(Kernels::MatrixUse::kAlways);
  if (c.matrix_tiles) {
    MatrixTiles tiles = *c.matrix_tiles;
    tiles.shape = shapes_for(c.format, kernels.matrix_units()).front();
    ASSERT_TRUE(possible(tiles, c.format, kernels.matrix_units()));
    kernels.choose(matrix_key_of(product, c.vectors), tiles);
  }
  run(kernels, product, batch, {c.vectors});
  if (parts > 1) {
    // That it was cut up at all: the second part's first sum.
    const uint64_t place = all_rows * c.vectors + c.first_output * (all_rows / stride);
    EXPECT_EQ(part_sums.get()[place] == kUntouched, used == 0);
    EXPECT_EQ(std::ranges::count(part_counters.get(), 0U), std::ssize(part_counters.get()));
  }

  std::vector<Expected> expected;
  for (uint32_t v = 0; v < used; ++v) {
    const std::vector<double> values(x.begin() + int64_t{v} * c.columns,
                                     x.begin() + int64_t{v + 1} * c.columns);
    Expected sums = expected_sums(weights, values, c.bias ? bias : std::vector<float>());
    if (c.matrix_units) {
      widen_for_rounding(sums, weights, values, takes_bf16(c.format, kernels.matrix_units()), c.half_scale);
    }
    const auto held_before = std::span(before).subspan(size_t{v} * stride, stride);
    expected.push_back(expected_outputs(sums, c.epilogue, held_before, c.first_output));
  }
  expect_outputs(out.get(), expected, before, stride);
}

}  // namespace caldera::kernels
