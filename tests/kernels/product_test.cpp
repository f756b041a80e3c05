// Products of every format in either storage, as matrix times few vectors and times many, against sums in
// double precision.
#include <gtest/gtest.h>

#include "kernels/each_storage.hpp"
#include "kernels/expected_product.hpp"
#include "kernels/kernel_test.hpp"

namespace caldera::kernels {
namespace {

using quant::Format;

/// One product to check; what is not named has the value of the plainest case.
struct Case {
  Format format = Format::kF32;
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
  // Vectors beyond the batch's are NaN: they must not reach a result. The kernels of 1, 2, 4 and 8 vectors
  // read the next such number of them.
  const uint32_t held = c.vectors <= kMaxVectorColumns ? kMaxVectorColumns : c.vectors;
  std::vector<float> x = test::uniforms(uint64_t{held} * c.columns, 2);
  std::fill(x.begin() + int64_t{used} * c.columns, x.end(), NAN);
  const std::vector<float> bias = test::uniforms(rows, 3);
  const std::vector<float> before = c.epilogue == Epilogue::kAdd
                                        ? test::uniforms(uint64_t{c.vectors} * stride, 4)
                                        : std::vector<float>(uint64_t{c.vectors} * stride, kUntouched);
  const DeviceArray<float> device_x(x);
  const DeviceArray<float> device_bias(bias);
  const DeviceArray<float> out(before);
  // The count that is not asked about is larger, so that taking the wrong one shows.
  const TestBatch batch =
      c.count == Count::kTokens ? TestBatch::of(used, c.vectors) : TestBatch::of(used + c.vectors, used);
  run(Product{&weights.get(), device_x.range(), out.range(), stride, c.first_output,
              c.bias ? device_bias.address() : 0, c.epilogue, c.count},
      batch, {c.vectors}, c.tiles);

  std::vector<Expected> expected;
  for (uint32_t v = 0; v < used; ++v) {
    const std::vector<double> values(x.begin() + int64_t{v} * c.columns,
                                     x.begin() + int64_t{v + 1} * c.columns);
    const Expected sums = expected_sums(weights, values, c.bias ? bias : std::vector<float>());
    const auto held_before = std::span(before).subspan(size_t{v} * stride, stride);
    expected.push_back(expected_outputs(sums, c.epilogue, held_before, c.first_output));
  }
  expect_outputs(out.get(), expected, before, stride);
}

class ProductTest : public ::testing::TestWithParam<StoredFormat> {
 protected:
  Format format() const { return GetParam().format; }
  Storage storage() const { return GetParam().storage; }
  /// Widths with rows of whole loads and odd tails.
  std::vector<uint32_t> widths() const {
    return quant::info(GetParam().format).block_elements == 256 ? std::vector<uint32_t>{256, 768}
                                                                : std::vector<uint32_t>{32, 96, 576, 1536};
  }
};

TEST_P(ProductTest, OneVector) {
  for (const uint32_t columns : widths()) {
    for (const uint32_t rows : {1U, 2U, 7U, 31U, 32U, 33U, 100U})
      check({format(), storage(), {rows}, columns});
  }
}

TEST_P(ProductTest, EightVectors) {
  for (const uint32_t columns : widths())
    check({.format = format(), .storage = storage(), .segments = {33}, .columns = columns, .vectors = 8});
  for (const uint32_t used : {0U, 1U, 5U, 7U}) {
    check({.format = format(),
           .storage = storage(),
           .segments = {7},
           .vectors = 8,
           .used = used,
           .first_output = 5});
  }
}

TEST_P(ProductTest, ManyVectors) {
  for (const uint32_t columns : widths()) {
    check({.format = format(), .storage = storage(), .segments = {100}, .columns = columns, .vectors = 33});
  }
  for (const uint32_t rows : {1U, 2U, 7U, 31U, 32U, 33U}) {
    check({.format = format(),
           .storage = storage(),
           .segments = {rows},
           .vectors = 17,
           .used = 11,
           .first_output = 2});
  }
  for (const uint32_t used : {0U, 1U, 8U, 9U, 63U, 64U}) {
    check({.format = format(), .storage = storage(), .segments = {40}, .vectors = 64, .used = used});
  }
}

TEST_P(ProductTest, Segments) {
  for (const uint32_t vectors : {1U, 8U, 9U}) {
    check({.format = format(),
           .storage = storage(),
           .segments = {38, 2, 10},
           .vectors = vectors,
           .first_output = 4});
  }
}

TEST_P(ProductTest, Tiles) {  // which software devices do without, unless they are told to
  check({.format = format(),
         .storage = storage(),
         .segments = {37, 8},
         .columns = widths().back(),
         .vectors = 17,
         .used = 15,
         .tiles = Kernels::Tiles::kAlways});
}

INSTANTIATE_TEST_SUITE_P(, ProductTest, every_stored_format(), stored_test_name);

// What follows is the same code whatever the format.

TEST(ProductCountTest, EveryNumberOfVectors) {
  for (uint32_t vectors = 1; vectors <= 17; ++vectors) {
    for (const uint32_t used : {1U, vectors - 1, vectors}) {
      check({.format = Format::kQ8_0, .segments = {13}, .columns = 96, .vectors = vectors, .used = used});
    }
  }
}

TEST(ProductCountTest, NoTokensWriteNothing) {
  for (const uint32_t vectors : {1U, 8U, 64U}) {
    for (const Epilogue epilogue : {Epilogue::kStore, Epilogue::kAdd, Epilogue::kSwiGlu}) {
      check({.format = Format::kQ4_K, .segments = {34}, .vectors = vectors, .used = 0, .epilogue = epilogue});
    }
  }
}

TEST(ProductCountTest, OutputsLimitTheHead) {
  for (const uint32_t vectors : {1U, 8U, 33U}) {
    for (const uint32_t used : {1U, vectors / 2, vectors}) {
      check({.format = Format::kQ6_K,
             .segments = {70, 31},
             .vectors = vectors,
             .used = used,
             .count = Count::kOutputs,
             .spare = 0});
    }
  }
}

TEST(ProductEpilogueTest, Add) {
  for (const Format format : {Format::kF16, Format::kQ4_K}) {
    for (const uint32_t vectors : {1U, 8U, 33U}) {
      check({.format = format, .segments = {33}, .vectors = vectors, .epilogue = Epilogue::kAdd});
      check({.format = format,
             .segments = {6, 30, 64},
             .vectors = vectors,
             .used = vectors - 1,
             .epilogue = Epilogue::kAdd,
             .first_output = 7});
    }
  }
}

TEST(ProductEpilogueTest, SwiGlu) {
  for (const Format format : {Format::kF16, Format::kQ4_K}) {
    for (const uint32_t vectors : {1U, 8U, 33U}) {
      for (const uint32_t rows : {2U, 34U, 100U}) {
        check({.format = format, .segments = {rows}, .vectors = vectors, .epilogue = Epilogue::kSwiGlu});
      }
      check({.format = format,
             .segments = {6, 38, 2},
             .vectors = vectors,
             .used = vectors - 1,
             .epilogue = Epilogue::kSwiGlu,
             .first_output = 3});
    }
  }
}

TEST(ProductEpilogueTest, Bias) {
  for (const uint32_t vectors : {1U, 8U, 33U}) {
    for (const Epilogue epilogue : {Epilogue::kStore, Epilogue::kAdd, Epilogue::kSwiGlu}) {
      check({.format = Format::kQ5_0,
             .segments = {34},
             .vectors = vectors,
             .epilogue = epilogue,
             .bias = true});
      check({.format = Format::kQ5_0,
             .segments = {10, 44, 2},
             .vectors = vectors,
             .used = vectors - 1,
             .epilogue = epilogue,
             .bias = true,
             .first_output = 9});
    }
  }
}

}  // namespace
}  // namespace caldera::kernels
