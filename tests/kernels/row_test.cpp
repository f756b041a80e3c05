// The kernels that work on rows of activations: embedding, norm, SwiGLU; as floats and as int8 vectors.
#include <gtest/gtest.h>

#include "kernels/each_storage.hpp"
#include "kernels/int8_vectors.hpp"
#include "kernels/kernel_test.hpp"

namespace caldera::kernels {
namespace {

class EmbedTest : public ::testing::TestWithParam<StoredFormat> {};

TEST_P(EmbedTest, TakesEachTokensRow) {
  const bool super = quant::info(GetParam().format).block_elements == 256;
  for (const uint32_t columns :
       super ? std::vector<uint32_t>{256, 768} : std::vector<uint32_t>{32, 96, 576}) {
    // Three segments of uneven size: most tokens' rows lie in another than the first.
    const TestMatrix table(GetParam().format, GetParam().storage, columns, {2, 30, 8}, 11);
    const std::vector<uint32_t> tokens{0, 39, 1, 2, 31, 32, 32, 17};
    std::vector<Entry> entries;
    for (const uint32_t token : tokens) entries.push_back({token, 0, 0, 0});
    constexpr uint32_t kRecorded = 10;
    const DeviceArray<float> x = untouched(size_t{kRecorded} * columns);
    run(Embed{&table.get(), x.range()}, TestBatch(entries), {kRecorded});

    const std::vector<float> got = x.get();
    for (uint32_t t = 0; t < kRecorded; ++t) {
      for (uint32_t k = 0; k < columns; ++k) {
        const float value = got[t * columns + k];
        if (t >= tokens.size()) {
          ASSERT_EQ(value, kUntouched) << "token " << t << ", column " << k;
          continue;
        }
        // Each weight is scale * code + offset in f32: a few roundings of numbers below twice the largest
        // weight, 1.
        ASSERT_NEAR(value, table.values[tokens[t] * columns + k], 8 * 0x1p-23)
            << "token " << t << ", column " << k;
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(, EmbedTest, every_stored_format(), stored_test_name);

TEST(EmbedEdgeTest, NoTokensWriteNothing) {
  const TestMatrix table(quant::Format::kF32, 4, 32, 1);
  const DeviceArray<float> x = untouched(128);
  run(Embed{&table.get(), x.range()}, TestBatch::of(0), {4});
  EXPECT_EQ(x.get(), std::vector<float>(128, kUntouched));
}

TEST(EmbedEdgeTest, TokensOutsideTheTableWriteNothing) {
  const TestMatrix table(quant::Format::kF32, 4, 32, 1);
  const DeviceArray<float> x = untouched(64);
  run(Embed{&table.get(), x.range()}, TestBatch({{4, 0, 0, 0}, {0xFFFFFFFF, 0, 0, 0}}), {2});
  EXPECT_EQ(x.get(), std::vector<float>(64, kUntouched));
}

/// What a norm is asked for.
struct Results {
  bool floats = true;
  bool int8 = false;
};

/// Runs a norm of `rows` vectors of `width` and checks the rows in `from` (the row of x for each row of the
/// result).
void check_norm(uint32_t width, uint32_t rows, const TestBatch& batch, const std::vector<uint32_t>& from,
                uint32_t recorded, bool gather, float size = 1, const Results& results = {}) {
  SCOPED_TRACE(::testing::Message() << "width " << width << ", " << from.size() << " of " << recorded
                                    << (results.floats ? ", floats" : "") << (results.int8 ? ", int8" : ""));
  constexpr float kEpsilon = 1e-5F;
  std::vector<float> x = test::uniforms(size_t{rows} * width, width, -size, size);
  if (results.int8) std::fill_n(x.end() - 32, 32, 0.0F);  // a unit of nothing has codes and scale 0
  const std::vector<float> weight = test::uniforms(width, 5, 0.5F, 2);
  const DeviceArray<float> device_x(x);
  const DeviceArray<float> device_weight(weight);
  const std::vector<float> before(size_t{recorded} * width, kUntouched);
  const DeviceArray<float> out(before);
  const DeviceArray<std::byte> out_int8 = untouched_int8(recorded, width);
  run(Norm{device_x.range(), device_weight.address(), results.floats ? out.range() : Range{}, width, kEpsilon,
           gather, results.int8 ? out_int8.range() : Range{}},
      batch, {recorded});

  std::vector<Expected> expected;
  std::vector<Expected> weighted;
  std::vector<Expected> unit_squares;
  for (const uint32_t row : from) {
    const std::vector<double> values(x.begin() + int64_t{row} * width, x.begin() + int64_t{row + 1} * width);
    double squares = 0;
    for (const double value : values) squares += value * value;
    const double factor = 1 / std::sqrt(squares / width + double{kEpsilon});
    expected.emplace_back();
    for (uint32_t i = 0; i < width; ++i) {
      const double value = values[i] * factor * double{weight[i]};
      expected.back().values.push_back(value);
      // A sum of squares in f32 (no cancellation) and an inverse root that Vulkan allows 2 ulp of error.
      expected.back().tolerance.push_back(std::abs(value) * 32 * 0x1p-23 + 1e-30);
    }
    if (!results.int8) continue;
    const ExpectedNormed normed = expected_normed({values, std::vector<double>(width, 0)}, weight);
    weighted.push_back(normed.weighted);
    unit_squares.push_back(normed.squares);
  }
  expect_outputs(out.get(), results.floats ? expected : std::vector<Expected>(), before, width);
  expect_int8_vectors(out_int8.get(), weighted, recorded, unit_squares);
}

TEST(NormTest, EveryRow) {
  for (const uint32_t width : {4U, 32U, 96U, 576U, 4096U}) {
    check_norm(width, 5, TestBatch::of(3), {0, 1, 2}, 5, false);
    check_norm(width, 1, TestBatch::of(1), {0}, 1, false);
  }
}

TEST(NormTest, MakesInt8Vectors) {
  for (const bool floats : {false, true}) {
    const Results results{floats, true};
    for (const uint32_t width : {32U, 64U, 96U, 576U, 4096U + 32}) {
      check_norm(width, 5, TestBatch::of(3), {0, 1, 2}, 5, false, 1, results);
      check_norm(width, 1, TestBatch::of(1), {0}, 1, false, 1, results);
    }
    check_norm(576, 1, TestBatch::of(1), {0}, 1, false, 1e6F, results);
    check_norm(96, 4, TestBatch::of(0), {}, 4, false, 1, results);
    const std::vector<uint32_t> outputs{6, 0, 3, 3};
    check_norm(96, 7, TestBatch(std::vector<Entry>(7), outputs), outputs, 6, true, 1, results);
  }
}

TEST(NormTest, MakesInt8VectorsOfTwoTerms) {
  for (const uint32_t width : {32U, 96U, 576U, 4096U + 32}) {
    constexpr uint32_t kRecorded = 3;
    const std::vector<uint32_t> outputs{2, 0};
    std::vector<float> x = test::uniforms(size_t{3} * width, width, -5, 5);
    std::fill_n(x.begin(), 32, 0.0F);  // a unit of nothing leaves nothing
    const std::vector<float> weight = test::uniforms(width, 5, 0.5F, 2);
    const DeviceArray<float> device_x(x);
    const DeviceArray<float> device_weight(weight);
    const DeviceArray<std::byte> out = untouched_int8(size_t{2} * kRecorded, width);
    run(Norm{device_x.range(), device_weight.address(), {}, width, 1e-5F, true, out.range(), 2},
        TestBatch(std::vector<Entry>(3), outputs), {kRecorded});

    const std::vector<std::byte> got = out.get();
    const size_t bytes = plan::int8_vector_bytes(width);
    std::vector<Expected> terms;
    std::vector<Expected> squares;
    for (const uint32_t row : outputs) {
      const std::vector<double> values(x.begin() + int64_t{row} * width,
                                       x.begin() + int64_t{row + 1} * width);
      const ExpectedNormed normed = expected_normed({values, std::vector<double>(width, 0)}, weight);
      // What the codes that are there leave, which rounding may have made larger or smaller by itself.
      const std::vector<double> held =
          int8_values(std::span(got).subspan(terms.size() * bytes, bytes), width);
      Expected rest = normed.weighted;
      for (size_t i = 0; i < width; ++i) rest.values[i] -= held[i];
      terms.push_back(normed.weighted);
      terms.push_back(rest);
      squares.insert(squares.end(), 2, normed.squares);
    }
    SCOPED_TRACE(::testing::Message() << "width " << width);
    expect_int8_vectors(got, terms, 2 * kRecorded, squares);
  }
}

TEST(NormTest, LargeAndSmallValues) {
  check_norm(576, 1, TestBatch::of(1), {0}, 1, false, 1e6F);
  check_norm(576, 1, TestBatch::of(1), {0}, 1, false, 1e-6F);
}

TEST(NormTest, GathersOutputs) {
  const std::vector<uint32_t> outputs{6, 0, 3, 3};
  for (const uint32_t width : {32U, 576U}) {
    check_norm(width, 7, TestBatch(std::vector<Entry>(7), outputs), outputs, 6, true);
  }
}

TEST(NormTest, NoTokensWriteNothing) {
  check_norm(32, 4, TestBatch::of(0), {}, 4, false);
  // Outputs without tokens: the batch of a decode step in which every sequence has ended.
  check_norm(32, 4, TestBatch({}, {0, 1}), {}, 4, true);
}

void check_swiglu(uint32_t width, bool int8) {
  SCOPED_TRACE(::testing::Message() << "width " << width << (int8 ? ", int8" : ""));
  constexpr uint32_t kTokens = 3;
  constexpr uint32_t kRecorded = 5;
  std::vector<float> gate = test::uniforms(size_t{kRecorded} * width, 1, -20, 20);
  gate[0] = -200;  // exp overflows: the result must be zero, not NaN
  const std::vector<float> up = test::uniforms(size_t{kRecorded} * width, 2, -2, 2);
  const DeviceArray<float> device_gate(gate);
  const DeviceArray<float> device_up(up);
  const std::vector<float> before(size_t{kRecorded} * width, kUntouched);
  const DeviceArray<float> out(before);
  const DeviceArray<std::byte> out_int8 = untouched_int8(kRecorded, width);
  run(SwiGlu{device_gate.range(), device_up.range(), int8 ? Range{} : out.range(), width,
             int8 ? out_int8.range() : Range{}},
      TestBatch::of(kTokens), {kRecorded});

  std::vector<Expected> expected(kTokens);
  for (size_t i = 0; i < size_t{kTokens} * width; ++i) {
    const double value = silu(gate[i]) * double{up[i]};
    expected[i / width].values.push_back(value);
    // Vulkan allows exp an error of 3 + 2 |x| ulp.
    expected[i / width].tolerance.push_back(std::abs(value) * 64 * 0x1p-23 + 1e-30);
  }
  expect_outputs(out.get(), int8 ? std::vector<Expected>() : expected, before, width);
  expect_int8_vectors(out_int8.get(), int8 ? expected : std::vector<Expected>(), kRecorded);
}

TEST(SwiGluTest, EveryElement) {
  for (const uint32_t width : {4U, 32U, 36U, 96U, 1536U}) check_swiglu(width, false);
}

TEST(SwiGluTest, MakesInt8Vectors) {
  for (const uint32_t width : {32U, 96U, 1536U}) check_swiglu(width, true);
}

TEST(QuantizeTest, MakesInt8Vectors) {
  for (const uint32_t width : {32U, 96U, 1536U}) {
    constexpr uint32_t kTokens = 3;
    constexpr uint32_t kRecorded = 5;
    const std::vector<float> x = test::uniforms(size_t{kRecorded} * width, 1, -20, 20);
    const DeviceArray<float> device_x(x);
    const DeviceArray<std::byte> out = untouched_int8(kRecorded, width);
    run(Quantize{device_x.range(), out.range(), width}, TestBatch::of(kTokens), {kRecorded});
    std::vector<Expected> expected;
    for (uint32_t t = 0; t < kTokens; ++t) {
      const auto begin = x.begin() + int64_t{t} * width;
      expected.push_back({{begin, begin + width}, std::vector<double>(width, 0)});
    }
    expect_int8_vectors(out.get(), expected, kRecorded);
  }
}

TEST(SwiGluTest, NoTokensWriteNothing) {
  const DeviceArray<float> in(std::vector<float>(64, 1));
  const DeviceArray<float> out = untouched(64);
  run(SwiGlu{in.range(), in.range(), out.range(), 32}, TestBatch::of(0), {2});
  EXPECT_EQ(out.get(), std::vector<float>(64, kUntouched));
}

}  // namespace
}  // namespace caldera::kernels
