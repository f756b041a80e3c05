// Products of int8 vectors, in every format and with every kind of choice, against sums in double precision.
#include <gtest/gtest.h>

#include <optional>

#include "caldera/error.hpp"
#include "kernels/int8_product_check.hpp"

namespace caldera::kernels {
namespace {

using quant::Format;
using Case = Int8Case;

void check(const Case& c) {
  check_int8_product(c);
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
