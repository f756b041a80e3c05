// Products of int8 vectors, in every format and with every kind of choice, against sums in double precision.
#include <gtest/gtest.h>

#include <numeric>
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
  bool normed = false;         ///< Input::kNormed
  bool makes_vectors = false;  ///< with kAdd and kSwiGlu
  std::optional<ProductChoice> choice{};
  uint32_t terms = 1;      ///< int8 vectors that each x is the sum of
  bool mixed_dot = false;  ///< of signed with unsigned bytes, where the format can be so
};

std::ostream& operator<<(std::ostream& out, const Case& c) {
  out << quant::info(c.format).name << ": " << ::testing::PrintToString(c.segments) << " rows of "
      << c.columns << ", " << c.used << " of " << c.vectors << " vectors, epilogue "
      << static_cast<uint32_t>(c.epilogue) << (c.normed ? ", normed" : "")
      << (c.makes_vectors ? ", makes vectors" : "") << (c.bias ? ", bias" : "")
      << (c.mixed_dot ? ", mixed" : "") << (c.terms > 1 ? ", of two terms" : "");
  if (!c.choice) return out;
  return out << "; " << c.choice->subgroups << " subgroups of " << c.choice->rows << " rows, "
             << c.choice->unroll << " loads, " << c.choice->passes << " passes";
}

constexpr uint32_t kSpare = 3;  ///< outputs beyond the product's in each row of `out`

constexpr float kEpsilon = 1e-2F;

/// The input of a product, and what each of its vectors stands for.
struct Inputs {
  std::vector<std::byte> bytes;
  std::vector<std::vector<double>> values;
};

Inputs inputs(const Case& c) {
  // The kernels of 1, 2, 4 and 8 vectors read the next such number of them. Vectors beyond the batch's are
  // NaN: they must not reach a result.
  const size_t bytes = plan::int8_vector_bytes(c.columns);
  Inputs inputs{std::vector<std::byte>(kMaxVectorColumns * bytes, std::byte{0xFF}), {}};
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
void expect_floats(const Case& c, std::span<const float> got, std::span<const Expected> sums,
                   std::span<const float> before, uint32_t stride) {
  std::vector<Expected> expected;
  for (size_t v = 0; v < sums.size(); ++v) {
    expected.push_back(
        expected_outputs(sums[v], c.epilogue, before.subspan(v * stride, stride), c.first_output));
  }
  expect_outputs(got, expected, before, stride);
}

/// Expects the int8 vectors that a product made, with kAdd of `out` times `norm`.
void expect_vectors(const Case& c, const std::vector<std::byte>& got, std::span<const Expected> sums,
                    std::span<const float> before, uint32_t stride, std::span<const float> norm) {
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

void check(const Case& c) {
  SCOPED_TRACE(::testing::Message() << c);
  const Inputs x = inputs(c);
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
  if (c.choice) kernels.choose(key_of(product, c.vectors), *c.choice);
  run(kernels, product, batch, {c.vectors});

  std::vector<Expected> sums;
  for (const std::vector<double>& values : x.values)
    sums.push_back(expected_sums(weights, values, c.bias ? bias : std::vector<float>()));
  if (c.makes_vectors) {
    expect_vectors(c, out_int8.get(), sums, before, stride, norm);
    if (c.epilogue == Epilogue::kSwiGlu) sums.clear();  // no floats besides
  }
  expect_floats(c, out.get(), sums, before, stride);
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

TEST_P(Int8ProductTest, TheNextLoadsUnderWay) {
  for (const uint32_t columns : widths())
    check({.format = format(), .columns = columns, .choice = ProductChoice{2, 2, 2, 3, 1}});
}

TEST_P(Int8ProductTest, Normalises) {
  for (const uint32_t columns : widths()) check({.format = format(), .columns = columns, .normed = true});
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

TEST(Int8ProductDotTest, OfUnsignedBytes) {  // whether the device is fast at it or not
  for (const Format format : {Format::kQ4_0, Format::kQ4_1, Format::kQ4_K}) {
    for (const uint32_t vectors : {1U, 4U}) {
      for (const uint32_t columns : {256U, 4352U})
        check({.format = format, .columns = columns, .vectors = vectors, .mixed_dot = true});
    }
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
  for (const uint32_t vectors : {1U, 3U, 8U}) {
    for (const Epilogue epilogue : {Epilogue::kStore, Epilogue::kAdd, Epilogue::kSwiGlu}) {
      for (const uint32_t used : {vectors / 2, vectors}) {
        check({.segments = {8, 34},
               .columns = 96,
               .vectors = vectors,
               .used = used,
               .epilogue = epilogue,
               .bias = true,
               .normed = true});
      }
    }
  }
}

TEST(Int8ProductTermsTest, AddsTwoVectors) {
  for (const uint32_t vectors : {1U, 3U, kMaxSumColumns}) {
    check({.format = Format::kQ6_K,
           .segments = {34, 9},
           .vectors = vectors,
           .used = vectors - vectors / 2,
           .bias = true,
           .count = Count::kOutputs,
           .normed = true,
           .terms = 2});
  }
  check({.segments = {34, 9}, .columns = 96, .vectors = 2, .choice = ProductChoice{2, 4, 1, 2}, .terms = 2});
}

TEST(Int8ProductMakesVectorsTest, OfEveryCount) {
  for (const Epilogue epilogue : {Epilogue::kAdd, Epilogue::kSwiGlu}) {
    for (const bool other : {false, true}) {
      for (const uint32_t vectors : {1U, 5U, 8U}) {
        for (const uint32_t used : {0U, vectors / 2, vectors}) {
          check({.format = Format::kQ5_0,
                 .segments = {192, 64},
                 .columns = 96,
                 .vectors = vectors,
                 .used = used,
                 .epilogue = epilogue,
                 .bias = other,
                 .first_output = other ? 5U : 0U,
                 .normed = other,
                 .makes_vectors = true});
        }
      }
    }
  }
  // The residual stream's units are of 32 rows.
  check({.segments = {32, 96}, .epilogue = Epilogue::kAdd, .makes_vectors = true});
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
    check({.segments = {100, 2}, .columns = 96, .normed = true, .choice = choice});
  }
}

TEST(Int8ProductChoiceTest, MakesVectors) {
  for (const ProductChoice& choice :
       {ProductChoice{8, 4, 1, 1}, ProductChoice{4, 8, 1, 1}, ProductChoice{8, 1, 4, 4},
        ProductChoice{1, 2, 1, 16}, ProductChoice{32, 1, 1, 1}}) {
    for (const Epilogue epilogue : {Epilogue::kAdd, Epilogue::kSwiGlu}) {
      Case c{.segments = {64, 128},
             .columns = 96,
             .epilogue = epilogue,
             .normed = true,
             .makes_vectors = true,
             .choice = choice};
      if (epilogue == Epilogue::kSwiGlu) c.choice->passes *= 2;  // a unit is made of 64 rows, not 32
      check(c);
      c.vectors = 2;
      check(c);
    }
  }
}

TEST(Int8ProductErrorTest, RefusesWhatItCannotDo) {
  const DeviceArray<float> memory(4096);
  const auto refuses = [&](const TestMatrix& weights, uint32_t vectors,
                           std::optional<Epilogue> makes_vectors = {},
                           std::optional<ProductChoice> choice = {}, uint32_t terms = 1) {
    Product product{&weights.get(),   memory.range(), memory.range(), 256, 0, 0,
                    Epilogue::kStore, Count::kTokens, Input::kInt8};
    product.terms = terms;
    if (makes_vectors) {
      product.epilogue = *makes_vectors;
      product.out_int8 = memory.range();
    }
    Kernels kernels = shared_kernels();
    if (choice) kernels.choose(key_of(product, vectors), *choice);
    EXPECT_THROW(run(kernels, product, TestBatch::of(1, vectors), {vectors}), Error);
  };
  const TestMatrix weights(Format::kQ8_0, 64, 32, 1);
  refuses(weights, kMaxVectorColumns + 1);
  refuses(TestMatrix(Format::kF16, 64, 32, 1), 1);
  refuses(TestMatrix(Format::kQ8_0, Storage::kFile, 32, {64}, 1), 1);
  refuses(weights, 1, Epilogue::kStore);
  refuses(TestMatrix(Format::kQ8_0, 32, 32, 1), 1, Epilogue::kSwiGlu);
  refuses(TestMatrix(Format::kQ8_0, Storage::kResident, 32, {16, 48}, 1), 1, Epilogue::kAdd);
  refuses(weights, 1, Epilogue::kSwiGlu, ProductChoice{4, 4, 1, 2});
  refuses(weights, kMaxSumColumns + 1, {}, {}, 2);
  refuses(weights, 1, Epilogue::kAdd, {}, 2);
  refuses(weights, 1, {}, {}, 3);
  refuses(weights, 1, Epilogue::kAdd, ProductChoice{4, 4, 1, 4});
}

}  // namespace
}  // namespace caldera::kernels
