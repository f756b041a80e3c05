// One product of int8 vectors, recorded, run and compared with sums in double precision.
#pragma once

#include <gtest/gtest.h>

#include <bit>
#include <numeric>
#include <optional>

#include "kernels/expected_product.hpp"
#include "kernels/int8_vectors.hpp"
#include "kernels/kernel_test.hpp"
#include "quant/each_format.hpp"

namespace caldera::kernels {

using quant::Format;

/// One product to check; what is not named has the value of the plainest case.
struct Int8Case {
  Format format = Format::kQ8_0;
  std::vector<uint32_t> segments{7};  ///< rows of each
  uint32_t columns = 256;
  uint32_t vectors = 1;        ///< columns the recording is made for
  uint32_t used = UINT32_MAX;  ///< columns of the batch; UINT32_MAX: all
  Epilogue epilogue = Epilogue::kStore;
  bool bias = false;
  Count count = Count::kTokens;
  uint32_t first_output = 0;
  bool normed = false;         ///< Input::kNormed
  bool makes_vectors = false;  ///< with kAdd and kSwiGlu
  std::optional<ProductChoice> choice{};
  uint32_t terms = 1;      ///< int8 vectors that each x is the sum of
  bool mixed_dot = false;  ///< of signed with unsigned bytes, where the format can be so
};

inline std::ostream& operator<<(std::ostream& out, const Int8Case& c) {
  out << quant::info(c.format).name << ": " << ::testing::PrintToString(c.segments) << " rows of "
      << c.columns << ", " << c.used << " of " << c.vectors << " vectors, epilogue "
      << static_cast<uint32_t>(c.epilogue) << (c.normed ? ", normed" : "")
      << (c.makes_vectors ? ", makes vectors" : "") << (c.bias ? ", bias" : "")
      << (c.mixed_dot ? ", mixed" : "") << (c.terms > 1 ? ", of two terms" : "");
  if (!c.choice) return out;
  if (const std::optional<Int8Tile>& tile = c.choice->tile) {
    return out << "; tiles of " << tile->rows << " x " << tile->columns << ", of a lane " << tile->lane_rows
               << " x " << tile->lane_columns << ", " << tile->units << " units, " << tile->slices
               << " slices, ahead " << tile->ahead;
  }
  if (const std::optional<MatvecUnits>& units = c.choice->units) {
    return out << "; on matrix units, " << units->tiles << " tiles, " << units->row_groups
               << " groups of rows, " << units->slices << " slices, " << units->units << " units, ahead "
               << units->ahead;
  }
  return out << "; " << c.choice->subgroups << " subgroups of " << c.choice->rows << " rows, "
             << c.choice->unroll << " loads, " << c.choice->passes << " passes";
}

inline constexpr uint32_t kSpare = 3;  ///< outputs beyond the product's in each row of `out`

inline constexpr float kEpsilon = 1e-2F;

/// The input of a product, and what each of its vectors stands for.
struct Int8Inputs {
  std::vector<std::byte> bytes;
  std::vector<std::vector<double>> values;
};

inline Int8Inputs int8_inputs(const Int8Case& c) {
  // Kernels of few vectors read the next power of two of them. Vectors beyond the batch's are NaN: they must
  // not reach a result.
  const size_t bytes = plan::int8_vector_bytes(c.columns);
  Int8Inputs inputs{std::vector<std::byte>(std::bit_ceil(c.vectors * c.terms) * bytes, std::byte{0xFF}), {}};
  for (uint32_t v = 0; v < std::min(c.used, c.vectors); ++v) {
    inputs.values.emplace_back(c.columns, 0.0);
    double squares = 0;
    for (uint32_t term = 0; term < c.terms; ++term) {
      const uint32_t at = v * c.terms + term;
      const Int8Vector vector = random_int8(c.columns, at + 2);
      store_int8(vector, std::span(inputs.bytes).subspan(at * bytes, bytes));
      const std::vector<double> values = vector.values();
      for (size_t i = 0; i < values.size(); ++i) inputs.values.back()[i] += values[i];
      if (term == 0) squares = std::accumulate(vector.squares.begin(), vector.squares.end(), 0.0);
    }
    if (!c.normed) continue;
    for (double& value : inputs.values.back()) value /= std::sqrt(squares / c.columns + double{kEpsilon});
  }
  return inputs;
}

/// Expects the outputs of a product that makes no int8 vectors, or those of kAdd beside them.
inline void expect_floats(const Int8Case& c, std::span<const float> got, std::span<const Expected> sums,
                          std::span<const float> before, uint32_t stride) {
  std::vector<Expected> expected;
  for (size_t v = 0; v < sums.size(); ++v) {
    expected.push_back(
        expected_outputs(sums[v], c.epilogue, before.subspan(v * stride, stride), c.first_output));
  }
  expect_outputs(got, expected, before, stride);
}

/// Expects the int8 vectors that a product made, with kAdd of `out` times `norm`.
inline void expect_vectors(const Int8Case& c, const std::vector<std::byte>& got,
                           std::span<const Expected> sums, std::span<const float> before, uint32_t stride,
                           std::span<const float> norm) {
  std::vector<Expected> expected;
  std::vector<Expected> squares;
  for (size_t v = 0; v < sums.size(); ++v) {
    if (c.epilogue == Epilogue::kSwiGlu) {
      expected.push_back(expected_swiglu(sums[v]));
      continue;
    }
    const auto old = before.subspan(v * stride + c.first_output, norm.size());
    const ExpectedNormed normed = expected_normed(expected_outputs(sums[v], Epilogue::kAdd, old, 0), norm);
    expected.push_back(normed.weighted);
    squares.push_back(normed.squares);
  }
  expect_int8_vectors(got, expected, c.vectors, squares);
}

/// Weights are made of scales and offsets that are rounded to f16 (2^-12 of themselves, and these are no
/// larger than the weights around them), and rounded once more, and so are activations (2^-12, or 2^-25 * 32
/// where f16 is subnormal).
inline void widen_for_half_pairs(Expected& sums, const TestMatrix& weights, std::span<const double> x) {
  constexpr size_t kUnit = 32;
  for (size_t r = 0; r < sums.values.size(); ++r) {
    for (size_t k = 0; k < x.size(); k += kUnit) {
      const std::span<const double> unit = std::span(weights.values).subspan(r * x.size() + k, kUnit);
      double largest = 0;
      for (const double weight : unit) largest = std::max(largest, std::abs(weight));
      for (size_t i = 0; i < kUnit; ++i)
        sums.tolerance[r] += 0x1p-10 * largest * std::abs(x[k + i]) + 0x1p-20 * std::abs(unit[i]);
    }
  }
}

inline void check_int8_product(const Int8Case& c) {
  SCOPED_TRACE(::testing::Message() << c);
  const Int8Inputs x = int8_inputs(c);
  const TestMatrix weights(c.format, Storage::kResident, c.columns, c.segments, 1);
  const uint32_t rows = weights.get().rows;
  const uint32_t outputs = c.epilogue == Epilogue::kSwiGlu ? rows / 2 : rows;
  const uint32_t stride = c.first_output + outputs + kSpare;
  const std::vector<float> bias = test::uniforms(rows, 3);
  const std::vector<float> norm = test::uniforms(rows, 9, 0.5F, 2);
  const std::vector<float> before = c.epilogue == Epilogue::kAdd
                                        ? test::uniforms(size_t{c.vectors} * stride, 4)
                                        : std::vector<float>(size_t{c.vectors} * stride, kUntouched);
  const DeviceArray<std::byte> device_x(x.bytes);
  const DeviceArray<float> device_bias(bias);
  const DeviceArray<float> device_norm(norm);
  const DeviceArray<float> out(before);
  const DeviceArray<std::byte> out_int8 = untouched_int8(c.vectors, c.makes_vectors ? outputs : 32);
  Product product{&weights.get(), device_x.range(), out.range(),
                  stride,         c.first_output,   c.bias ? device_bias.address() : 0,
                  c.epilogue,     c.count,          c.normed ? Input::kNormed : Input::kInt8};
  product.epsilon = kEpsilon;
  product.out_norm = device_norm.address();
  product.terms = c.terms;
  if (c.makes_vectors) product.out_int8 = out_int8.range();
  // The count that is not asked about is larger, so that taking the wrong one shows.
  const auto used = static_cast<uint32_t>(x.values.size());
  const TestBatch batch =
      c.count == Count::kTokens ? TestBatch::of(used, c.vectors) : TestBatch::of(used + c.vectors, used);
  Kernels kernels = shared_kernels();
  if (c.mixed_dot) kernels.set_mixed_dot(true);
  if (c.choice && c.choice->units) kernels.use_matrix_units(Kernels::MatrixUse::kAlways);
  if (c.choice) kernels.choose(key_of(product, c.vectors), *c.choice);
  run(kernels, product, batch, {c.vectors});

  std::vector<Expected> sums;
  for (const std::vector<double>& values : x.values)
    sums.push_back(expected_sums(weights, values, c.bias ? bias : std::vector<float>()));
  if (c.choice && c.choice->units) {
    for (size_t v = 0; v < sums.size(); ++v) widen_for_half_pairs(sums[v], weights, x.values[v]);
  }
  if (c.makes_vectors) {
    expect_vectors(c, out_int8.get(), sums, before, stride, norm);
    if (c.epilogue == Epilogue::kSwiGlu) sums.clear();  // no floats besides
  }
  expect_floats(c, out.get(), sums, before, stride);
}

/// Formats whose products can take int8 vectors, as parameters of tests.
inline auto block_formats() {
  std::vector<quant::FormatInfo> formats;
  for (const quant::FormatInfo& row : quant::formats()) {
    if (row.block_elements > 1) formats.push_back(row);
  }
  return ::testing::ValuesIn(formats);
}
}  // namespace caldera::kernels
