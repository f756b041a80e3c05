// Decoding against the `gguf` Python package: tests/oracle/make_quant_goldens.py.
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstring>
#include <fstream>
#include <iterator>
#include <vector>

#include "each_format.hpp"

namespace caldera::quant {
namespace {

std::vector<std::byte> read_golden(std::string_view format, const std::string& kind) {
  std::ifstream file(CALDERA_TEST_DATA "/quant/" + std::string(format) + "." + kind, std::ios::binary);
  EXPECT_TRUE(file.is_open());
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  const auto bytes = std::as_bytes(std::span(text));
  return {bytes.begin(), bytes.end()};
}

class Golden : public ::testing::TestWithParam<FormatInfo> {
 protected:
  void SetUp() override {
    blocks = read_golden(GetParam().name, "blocks");
    const auto bytes = read_golden(GetParam().name, "f32");
    expected.resize(bytes.size() / sizeof(float));
    std::memcpy(expected.data(), bytes.data(), bytes.size());
    ASSERT_FALSE(expected.empty());
    ASSERT_EQ(blocks.size(), bytes_for(GetParam().format, expected.size()));
  }

  /// Equal to the bit, zero's sign included; any NaN equals any other.
  void expect_same(size_t i, float got) const {
    if (std::isnan(expected[i])) {
      ASSERT_TRUE(std::isnan(got)) << "weight " << i << " is " << got;
    } else {
      ASSERT_EQ(std::bit_cast<uint32_t>(got), std::bit_cast<uint32_t>(expected[i]))
          << "weight " << i << ": " << got << ", not " << expected[i];
    }
  }

  std::vector<std::byte> blocks;
  std::vector<float> expected;
};

// Every product of scales and codes fits a float's 24 bits, so the only rounding is that of the last
// subtraction or addition: the package's float32 arithmetic and one rounding of the exact value give the same
// bits.
TEST_P(Golden, FloatsAreBitEqual) {
  std::vector<float> got(expected.size());
  decode(GetParam().format, blocks, got);
  for (size_t i = 0; i < got.size(); ++i) expect_same(i, got[i]);
}

TEST_P(Golden, DoublesRoundToTheSameFloats) {
  std::vector<double> got(expected.size());
  decode(GetParam().format, blocks, got);
  for (size_t i = 0; i < got.size(); ++i) expect_same(i, static_cast<float>(got[i]));
}

TEST_P(Golden, NothingNeedsAlignment) {
  std::vector<std::byte> shifted(blocks.size() + 1);
  std::ranges::copy(blocks, shifted.begin() + 1);
  std::vector<float> got(expected.size());
  decode(GetParam().format, std::span(shifted).subspan(1), got);
  for (size_t i = 0; i < got.size(); ++i) expect_same(i, got[i]);
}

INSTANTIATE_TEST_SUITE_P(Formats, Golden, every_format(), format_name);

}  // namespace
}  // namespace caldera::quant
