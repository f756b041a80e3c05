// Products of every format in either storage, as matrix times few vectors and times many, against sums in
// double precision.
#include <gtest/gtest.h>

#include "kernels/product_check.hpp"

namespace caldera::kernels {
namespace {

using quant::Format;

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
      check_product({format(), storage(), {rows}, columns});
  }
}

TEST_P(ProductTest, EightVectors) {
  for (const uint32_t columns : widths())
    check_product(
        {.format = format(), .storage = storage(), .segments = {33}, .columns = columns, .vectors = 8});
  for (const uint32_t used : {0U, 1U, 5U, 7U}) {
    check_product({.format = format(),
                   .storage = storage(),
                   .segments = {7},
                   .vectors = 8,
                   .used = used,
                   .first_output = 5});
  }
}

TEST_P(ProductTest, ManyVectors) {
  for (const uint32_t columns : widths()) {
    check_product(
        {.format = format(), .storage = storage(), .segments = {100}, .columns = columns, .vectors = 33});
  }
  for (const uint32_t rows : {1U, 2U, 7U, 31U, 32U, 33U}) {
    check_product({.format = format(),
                   .storage = storage(),
                   .segments = {rows},
                   .vectors = 17,
                   .used = 11,
                   .first_output = 2});
  }
  for (const uint32_t used : {0U, 1U, 8U, 9U, 63U, 64U}) {
    check_product({.format = format(), .storage = storage(), .segments = {40}, .vectors = 64, .used = used});
  }
}

TEST_P(ProductTest, Segments) {
  for (const uint32_t vectors : {1U, 8U, 9U}) {
    check_product({.format = format(),
                   .storage = storage(),
                   .segments = {38, 2, 10},
                   .vectors = vectors,
                   .first_output = 4});
  }
}

TEST_P(ProductTest, Tiles) {  // which software devices do without, unless they are told to
  check_product({.format = format(),
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
      check_product(
          {.format = Format::kQ8_0, .segments = {13}, .columns = 96, .vectors = vectors, .used = used});
    }
  }
}

TEST(ProductCountTest, NoTokensWriteNothing) {
  for (const uint32_t vectors : {1U, 8U, 64U}) {
    for (const Epilogue epilogue : {Epilogue::kStore, Epilogue::kAdd, Epilogue::kSwiGlu}) {
      check_product(
          {.format = Format::kQ4_K, .segments = {34}, .vectors = vectors, .used = 0, .epilogue = epilogue});
    }
  }
}

TEST(ProductCountTest, OutputsLimitTheHead) {
  for (const uint32_t vectors : {1U, 8U, 33U}) {
    for (const uint32_t used : {1U, vectors / 2, vectors}) {
      check_product({.format = Format::kQ6_K,
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
      check_product({.format = format, .segments = {33}, .vectors = vectors, .epilogue = Epilogue::kAdd});
      check_product({.format = format,
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
        check_product(
            {.format = format, .segments = {rows}, .vectors = vectors, .epilogue = Epilogue::kSwiGlu});
      }
      check_product({.format = format,
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
      check_product({.format = Format::kQ5_0,
                     .segments = {34},
                     .vectors = vectors,
                     .epilogue = epilogue,
                     .bias = true});
      check_product({.format = Format::kQ5_0,
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
