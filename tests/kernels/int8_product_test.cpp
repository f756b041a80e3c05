// Products of int8 vectors, in every format and with every kind of choice, against sums in double precision.
#include <gtest/gtest.h>

#include <bit>
#include <functional>
#include <optional>

#include "caldera/error.hpp"
#include "kernels/expected_product.hpp"
#include "kernels/int8_vectors.hpp"
#include "kernels/kernel_test.hpp"
#include "quant/each_format.hpp"

namespace caldera::kernels {
namespace {

using quant::Format;

/// One product to check; what is not named has the value of the plainest case.
struct Case {
  Format format = Format::kQ8_0;
  std::vector<uint32_t> segments{7};  ///< rows of each
  uint32_t columns = 256;
  uint32_t vectors = 1;        ///< columns the recording is made for
  uint32_t used = UINT32_MAX;  ///< columns of the batch; UINT32_MAX: all
  Epilogue epilogue = Epilogue::kStore;
  bool bias = false;
  Count count = Count::kTokens;
  uint32_t first_output = 0;
  bool makes_vectors = false;  ///< with kSwiGlu
  std::optional<ProductChoice> choice{};
};

std::ostream& operator<<(std::ostream& out, const Case& c) {
  out << quant::info(c.format).name << ": " << ::testing::PrintToString(c.segments) << " rows of "
      << c.columns << ", " << c.used << " of " << c.vectors << " vectors, epilogue "
      << static_cast<uint32_t>(c.epilogue) << (c.makes_vectors ? ", makes vectors" : "")
      << (c.bias ? ", bias" : "");
  if (!c.choice) return out;
  return out << "; " << c.choice->subgroups << " subgroups of " << c.choice->rows << " rows, "
             << c.choice->unroll << " loads, " << c.choice->passes << " passes";
}

constexpr uint32_t kSpare = 3;  ///< outputs beyond the product's in each row of `out`

/// What a product's operation needs besides its input, and what it gives.
class Trial {
 public:
  explicit Trial(const Case& c)
      : case_(c),
        weights_(c.format, Storage::kResident, c.columns, c.segments, 1),
        bias_(test::uniforms(rows(), 3)),
        stride_(c.first_output + outputs() + kSpare),
        before_(c.epilogue == Epilogue::kAdd ? test::uniforms(size_t{c.vectors} * stride_, 4)
                                             : std::vector<float>(size_t{c.vectors} * stride_, kUntouched)),
        device_bias_(bias_),
        out_(before_),
        out_int8_(untouched_int8(c.vectors, case_.makes_vectors ? outputs() : 32)) {}

  /// Runs the product of `x`; `inputs`: what the vectors of the batch stand for.
  void check(const Range& x, Input input, const std::vector<std::vector<double>>& inputs, uint64_t norm = 0,
             float epsilon = 0) {
    const auto used = static_cast<uint32_t>(inputs.size());
    Product product{&weights_.get(),
                    x,
                    out_.range(),
                    stride_,
                    case_.first_output,
                    case_.bias ? device_bias_.address() : 0,
                    case_.epilogue,
                    case_.count,
                    input};
    if (case_.makes_vectors) product.out_int8 = out_int8_.range();
    product.norm = norm;
    product.epsilon = epsilon;
    // The count that is not asked about is larger, so that taking the wrong one shows.
    const TestBatch batch = case_.count == Count::kTokens ? TestBatch::of(used, case_.vectors)
                                                          : TestBatch::of(used + case_.vectors, used);
    Kernels kernels = shared_kernels();
    if (case_.choice) {
      kernels.choose({case_.format, rows(), case_.columns, std::bit_ceil(case_.vectors),
                      input == Input::kNorm, case_.makes_vectors},
                     *case_.choice);
    }
    run(kernels, product, batch, {case_.vectors});

    std::vector<Expected> sums;
    for (const std::vector<double>& values : inputs) {
      sums.push_back(expected_sums(weights_, values, case_.bias ? bias_ : std::vector<float>()));
    }
    if (more_tolerance_) {
      for (Expected& vector : sums) {
        for (uint32_t r = 0; r < rows(); ++r) vector.tolerance[r] += more_tolerance_(weights_, r);
      }
    }
    case_.makes_vectors ? expect_vectors(sums) : expect_floats(sums);
  }

  /// What each row's sum may be wrong by besides.
  void allow(std::function<double(const TestMatrix&, uint32_t row)> tolerance) {
    more_tolerance_ = std::move(tolerance);
  }

 private:
  uint32_t rows() const { return weights_.get().rows; }
  uint32_t outputs() const { return case_.epilogue == Epilogue::kSwiGlu ? rows() / 2 : rows(); }

  void expect_floats(const std::vector<Expected>& sums) const {
    std::vector<Expected> expected;
    for (size_t v = 0; v < sums.size(); ++v) {
      const auto before = std::span(before_).subspan(v * stride_, stride_);
      expected.push_back(expected_outputs(sums[v], case_.epilogue, before, case_.first_output));
    }
    expect_outputs(out_.get(), expected, before_, stride_);
  }
  void expect_vectors(const std::vector<Expected>& sums) const {
    EXPECT_EQ(out_.get(), before_);
    std::vector<Expected> outputs;
    for (const Expected& vector : sums) outputs.push_back(expected_swiglu(vector));
    expect_int8_vectors(out_int8_.get(), outputs, case_.vectors);
  }

  Case case_;
  TestMatrix weights_;
  std::vector<float> bias_;
  uint32_t stride_;
  std::vector<float> before_;
  DeviceArray<float> device_bias_;
  DeviceArray<float> out_;
  DeviceArray<std::byte> out_int8_;
  std::function<double(const TestMatrix&, uint32_t)> more_tolerance_;
};

/// A product of int8 vectors.
void check(const Case& c) {
  SCOPED_TRACE(::testing::Message() << c);
  // The kernels of 1, 2, 4 and 8 vectors read the next such number of them. Vectors beyond the batch's are
  // NaN: they must not reach a result.
  const size_t bytes = plan::int8_vector_bytes(c.columns);
  std::vector<std::byte> held(kMaxVectorColumns * bytes, std::byte{0xFF});
  std::vector<std::vector<double>> inputs;
  for (uint32_t v = 0; v < std::min(c.used, c.vectors); ++v) {
    const Int8Vector vector = random_int8(c.columns, v + 2);
    store_int8(vector, std::span(held).subspan(v * bytes, bytes));
    inputs.push_back(vector.values());
  }
  const DeviceArray<std::byte> x(held);
  Trial(c).check(x.range(), Input::kInt8, inputs);
}

constexpr float kEpsilon = 1e-5F;

/// 1 / sqrt(mean(x^2) + epsilon).
double norm_factor(const std::vector<float>& x) {
  double squares = 0;
  for (const float value : x) squares += double{value} * double{value};
  return 1 / std::sqrt(squares / static_cast<double>(x.size()) + double{kEpsilon});
}

/// A product that normalises: of numbers that codes hold exactly, so that only sums are rounded.
void check_exact_norm(const Case& c) {
  SCOPED_TRACE(::testing::Message() << c << ", exact norm");
  const Int8Vector vector = random_int8(c.columns, 5);
  std::vector<float> x(c.columns);
  std::vector<float> weight(c.columns);
  std::mt19937 random(6);
  for (uint32_t i = 0; i < c.columns; ++i) {
    // Powers of two, whose product is the same in the whole of a unit.
    weight[i] = std::ldexp(1.0F, static_cast<int>(random() % 5) - 2);
    x[i] = std::ldexp(static_cast<float>(vector.codes[i]), static_cast<int>(i / 32 % 3)) / weight[i];
  }
  const double factor = norm_factor(x);
  std::vector<double> input(c.columns);
  for (uint32_t i = 0; i < c.columns; ++i) input[i] = double{x[i]} * double{weight[i]} * factor;
  const DeviceArray<float> device_x(x);
  const DeviceArray<float> device_weight(weight);
  std::vector<std::vector<double>> inputs;
  if (c.used > 0) inputs.push_back(input);
  Trial(c).check(device_x.range(), Input::kNorm, inputs, device_weight.address(), kEpsilon);
}

/// A product that normalises: of any numbers.
void check_rounded_norm(const Case& c) {
  SCOPED_TRACE(::testing::Message() << c << ", rounded norm");
  const std::vector<float> x = test::uniforms(c.columns, 7, -3, 3);
  const std::vector<float> weight = test::uniforms(c.columns, 8, 0.5F, 2);
  const double factor = norm_factor(x);
  std::vector<double> input(c.columns);
  for (uint32_t i = 0; i < c.columns; ++i) input[i] = double{x[i]} * double{weight[i]} * factor;
  std::vector<double> step(c.columns / 32, 0);  // between the codes of a unit
  for (uint32_t i = 0; i < c.columns; ++i) step[i / 32] = std::max(step[i / 32], std::abs(input[i]) / 127);
  Trial trial(c);
  // Rounding errors are spread evenly over a step, so their variance is a twelfth of its square; six standard
  // deviations of their sum, which hardly a wrong sign or scale stays below.
  trial.allow([&](const TestMatrix& weights, uint32_t row) {
    double variance = 0;
    for (uint32_t i = 0; i < c.columns; ++i)
      variance += std::pow(weights.values[size_t{row} * c.columns + i] * step[i / 32], 2) / 12;
    return 6 * std::sqrt(variance);
  });
  const DeviceArray<float> device_x(x);
  const DeviceArray<float> device_weight(weight);
  trial.check(device_x.range(), Input::kNorm, {input}, device_weight.address(), kEpsilon);
}

class Int8ProductTest : public ::testing::TestWithParam<quant::FormatInfo> {
 protected:
  Format format() const { return GetParam().format; }
  bool super() const { return GetParam().block_elements == 256; }
  /// Widths with rows of whole loads and odd tails.
  std::vector<uint32_t> widths() const {
    return super() ? std::vector<uint32_t>{256, 768, 2048, 4352}
                   : std::vector<uint32_t>{32, 96, 576, 1536, 4096 + 32};
  }
  /// A width whose units are no whole number of loads for the subgroup.
  uint32_t odd_width() const { return super() ? 768 : 96; }
};

TEST_P(Int8ProductTest, OneVector) {
  for (const uint32_t columns : widths()) check({.format = format(), .columns = columns});
  for (const uint32_t rows : {1U, 2U, 33U, 100U})
    check({.format = format(), .segments = {rows}, .columns = odd_width()});
  check({.format = format(), .segments = {6, 2, 19}, .used = 0});
  check({.format = format(), .segments = {6, 2, 19}, .first_output = 5});
}

TEST_P(Int8ProductTest, FewVectors) {
  for (const uint32_t columns : widths())
    check({.format = format(), .segments = {5}, .columns = columns, .vectors = 5});
  for (const uint32_t used : {0U, 1U, 7U, 8U})
    check({.format = format(), .segments = {9, 2}, .columns = odd_width(), .vectors = 8, .used = used});
}

TEST_P(Int8ProductTest, SeveralLoadsAtOnce) {
  for (const uint32_t columns : widths())
    check({.format = format(), .columns = columns, .choice = ProductChoice{2, 1, 4, 3}});
}

TEST_P(Int8ProductTest, NormalisesItsVector) {
  check_exact_norm({.format = format(), .segments = {7, 12}, .columns = odd_width(), .bias = true});
}

TEST_P(Int8ProductTest, MakesVectors) {
  check({.format = format(),
         .segments = {64, 192, 128},
         .columns = odd_width(),
         .vectors = 2,
         .epilogue = Epilogue::kSwiGlu,
         .makes_vectors = true});
}

auto block_formats() {
  std::vector<quant::FormatInfo> formats;
  for (const quant::FormatInfo& row : quant::formats()) {
    if (row.block_elements > 1) formats.push_back(row);
  }
  return ::testing::ValuesIn(formats);
}
INSTANTIATE_TEST_SUITE_P(, Int8ProductTest, block_formats(), quant::format_name);

// What follows is nearly the same code whatever the format: one for each number of units that a lane loads at
// once.
constexpr Format kFormats[] = {Format::kQ4_0, Format::kQ2_K, Format::kIQ1_M};

TEST(Int8ProductCountTest, EveryNumberOfVectors) {
  for (uint32_t vectors = 1; vectors <= kMaxVectorColumns; ++vectors) {
    for (const uint32_t used : {1U, vectors - 1, vectors})
      check({.segments = {13}, .columns = 96, .vectors = vectors, .used = used});
  }
}

TEST(Int8ProductCountTest, OutputsLimitTheHead) {
  for (const uint32_t used : {1U, 3U, 5U}) {
    check({.format = Format::kQ6_K,
           .segments = {70, 31},
           .vectors = 5,
           .used = used,
           .count = Count::kOutputs});
  }
}

TEST(Int8ProductEpilogueTest, AddsAndBiases) {
  for (const uint32_t vectors : {1U, 8U}) {
    for (const Epilogue epilogue : {Epilogue::kStore, Epilogue::kAdd, Epilogue::kSwiGlu}) {
      for (const bool bias : {false, true}) {
        check({.format = Format::kQ4_K,
               .segments = {6, 30, 2},
               .vectors = vectors,
               .used = vectors,
               .epilogue = epilogue,
               .bias = bias,
               .first_output = 7});
        check({.format = Format::kQ4_K,
               .segments = {2},
               .vectors = vectors,
               .used = vectors - 1,
               .epilogue = epilogue,
               .bias = bias});
      }
    }
  }
}

TEST(Int8ProductNormTest, Normalises) {
  for (const Format format : kFormats) {
    for (const uint32_t columns : {256U, 2048U}) {
      check_exact_norm({.format = format, .segments = {33}, .columns = columns, .first_output = 2});
      check_rounded_norm({.format = format, .segments = {33}, .columns = columns});
    }
  }
  check_exact_norm({.segments = {7, 4}, .columns = 4128, .epilogue = Epilogue::kAdd, .bias = true});
  check_exact_norm({.segments = {6, 4}, .columns = 96, .epilogue = Epilogue::kSwiGlu, .bias = true});
  check_exact_norm({.columns = 96, .used = 0});
  check_exact_norm({.columns = 96, .count = Count::kOutputs});
}

TEST(Int8ProductNormTest, MakesVectors) {
  for (const bool bias : {false, true}) {
    check_exact_norm({.format = Format::kQ4_K,
                      .segments = {64, 192},
                      .columns = 768,
                      .epilogue = Epilogue::kSwiGlu,
                      .bias = bias,
                      .makes_vectors = true});
  }
}

TEST(Int8ProductMakesVectorsTest, OfEveryCount) {
  for (const bool bias : {false, true}) {
    for (const uint32_t vectors : {1U, 5U, 8U}) {
      for (const uint32_t used : {0U, vectors / 2, vectors}) {
        check({.format = Format::kQ5_0,
               .segments = {192, 64},
               .columns = 96,
               .vectors = vectors,
               .used = used,
               .epilogue = Epilogue::kSwiGlu,
               .bias = bias,
               .makes_vectors = true});
      }
    }
  }
}

// A tuner may pick any of these.

TEST(Int8ProductChoiceTest, EverySize) {
  for (const Format format : kFormats) {
    for (const uint32_t vectors : {1U, 8U}) {
      for (const ProductChoice& choice :
           {ProductChoice{1, 1, 1, 1}, ProductChoice{8, 2, 4, 1}, ProductChoice{3, 4, 2, 3},
            ProductChoice{2, 8, 1, 2}, ProductChoice{5, 1, 2, 2}}) {
        if (vectors * choice.rows * choice.unroll > 16) continue;  // which software devices compile slowly
        for (const std::vector<uint32_t>& segments :
             {std::vector<uint32_t>{1}, std::vector<uint32_t>{50, 33, 16}}) {
          check({.format = format,
                 .segments = segments,
                 .columns = 2048,
                 .vectors = vectors,
                 .choice = choice});
        }
      }
    }
  }
}

TEST(Int8ProductChoiceTest, WithEpilogues) {
  for (const ProductChoice& choice :
       {ProductChoice{4, 1, 2, 3}, ProductChoice{3, 2, 1, 1}, ProductChoice{8, 4, 1, 2}}) {
    for (const Epilogue epilogue : {Epilogue::kAdd, Epilogue::kSwiGlu}) {
      check({.segments = {100, 2, 14}, .vectors = 3, .epilogue = epilogue, .bias = true, .choice = choice});
    }
    check_exact_norm({.segments = {100, 2}, .columns = 96, .choice = choice});
  }
}

TEST(Int8ProductChoiceTest, MakesVectors) {
  for (const ProductChoice& choice : {ProductChoice{8, 8, 1, 1}, ProductChoice{4, 8, 1, 2},
                                      ProductChoice{8, 2, 4, 4}, ProductChoice{1, 2, 1, 32}}) {
    Case c{.segments = {64, 128},
           .columns = 96,
           .epilogue = Epilogue::kSwiGlu,
           .makes_vectors = true,
           .choice = choice};
    check(c);
    check_exact_norm(c);
    c.vectors = 2;
    check(c);
  }
}

TEST(Int8ProductErrorTest, RefusesWhatItCannotDo) {
  const DeviceArray<float> memory(4096);
  const auto refuses = [&](const TestMatrix& weights, Input input, uint32_t vectors, Epilogue epilogue,
                           bool makes_vectors) {
    Product product{&weights.get(), memory.range(), memory.range(), 128, 0, 0,
                    epilogue,       Count::kTokens, input};
    if (makes_vectors) product.out_int8 = memory.range();
    EXPECT_THROW(run(product, TestBatch::of(1, vectors), {vectors}), Error);
  };
  const TestMatrix weights(Format::kQ8_0, 64, 32, 1);
  refuses(weights, Input::kInt8, kMaxVectorColumns + 1, Epilogue::kStore, false);
  refuses(weights, Input::kNorm, 2, Epilogue::kStore, false);
  refuses(weights, Input::kInt8, 1, Epilogue::kStore, true);
  refuses(TestMatrix(Format::kQ8_0, 32, 32, 1), Input::kInt8, 1, Epilogue::kSwiGlu, true);
  refuses(TestMatrix(Format::kF16, 64, 32, 1), Input::kInt8, 1, Epilogue::kStore, false);
  refuses(TestMatrix(Format::kQ8_0, Storage::kFile, 32, {64}, 1), Input::kInt8, 1, Epilogue::kStore, false);
}

}  // namespace
}  // namespace caldera::kernels
