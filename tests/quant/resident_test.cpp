// The resident layout against a decoding written from resident.hpp's description alone.
#include "quant/resident.hpp"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "caldera/error.hpp"
#include "quant/codebook.hpp"
#include "quant/each_format.hpp"
#include "quant/half.hpp"

namespace caldera::quant {
namespace {

/// A row in the resident layout, read field by field.
class Row {
 public:
  Row(const std::byte* data, const RowLayout& layout) : data_(data), layout_(layout) {}

  template <class T>
  T load(int plane, size_t index) const {
    T value;
    std::memcpy(&value, data_ + layout_.plane[static_cast<size_t>(plane)] + index * sizeof(T), sizeof(T));
    return value;
  }
  double half(int plane, size_t index) const { return float_from_f16(load<uint16_t>(plane, index)); }
  uint32_t byte(int plane, size_t index) const { return load<uint8_t>(plane, index); }
  uint32_t word(int plane, size_t index) const { return load<uint32_t>(plane, index); }

  /// The `bits` bits of weight `i` that lie in plane `plane`: the header's table, one line for each width.
  uint32_t codes(int plane, uint32_t bits, size_t i) const {
    const size_t unit = i / 32;
    const uint32_t h = i % 32 / 16;
    const uint32_t s = i % 16 / 4;
    const uint32_t in_word = 8 * (i % 4);
    switch (bits) {
      case 4:
        return (word(plane, 4 * unit + 2 * h + s / 2) >> (4 * (s % 2)) & 0x0F0F0F0FU) >> in_word & 255;
      case 2:
        return (word(plane, 2 * unit + h) >> (2 * s) & 0x03030303U) >> in_word & 255;
      case 1:
        return (word(plane, unit) >> (4 * h + s) & 0x01010101U) >> in_word & 255;
      default:
        return word(plane, 8 * unit + 4 * h + s) >> in_word & 255;
    }
  }

  /// Pair `unit` of the 6-bit numbers in the 12 bytes after d (and dmin) of super-block `block`.
  std::array<uint32_t, 2> pair(int plane, size_t block, uint32_t unit) const {
    const uint32_t low = byte(plane, 16 * block + 4 + unit);
    const uint32_t high = word(plane, 4 * block + 3) >> (4 * unit) & 15;
    return {(low & 15) | (high & 3) << 4, low >> 4 | high >> 2 << 4};
  }

 private:
  const std::byte* data_;
  const RowLayout& layout_;
};

constexpr double kIq4[16] = {
#include "quant/codebooks/iq4_values.inc"
};
constexpr double kMxfp4[16] = {
#include "quant/codebooks/mxfp4_values.inc"
};

/// A weight of IQ1_S or IQ1_M before its scale: an element of a grid's entry, moved by an eighth.
double moved(uint32_t index, size_t i, bool down) {
  return grid_code(grid_codes(kIq1Grid, index), i % 8) - 1 + (down ? -0.125 : 0.125);
}

/// Weight `i` of a row in one of the formats whose weights are entries of a grid.
double grid_weight(Format format, const Row& row, size_t i) {
  const size_t unit = i / 32;
  const size_t block = i / 256;
  const uint32_t eight = i % 32 / 8;
  if (format == Format::kIQ1_S) {
    const uint32_t own = row.word(0, unit);
    const uint32_t pair = row.word(1, unit / 2);
    const uint32_t odd = unit % 2;
    const uint32_t indices[4] = {own & 0x7FF, own >> 21, (own >> 11 & 0x3FF) | (pair >> (11 + odd) & 1) << 10,
                                 pair >> (21 * odd) & 0x7FF};
    const uint32_t bits = pair >> (13 + 4 * odd) & 15;
    return row.half(2, block) * (2 * (bits & 7) + 1) * moved(indices[eight], i, bits >> 3 != 0);
  }
  if (format == Format::kIQ1_M) {
    const uint32_t high = row.byte(1, i / 16) >> (4 * (eight % 2)) & 15;
    uint32_t d = 0;
    for (size_t k = 0; k < 4; ++k) d |= (row.load<uint16_t>(2, 4 * block + k) & 0xF000U) >> 12 << (4 * k);
    const uint32_t scale = row.load<uint16_t>(2, i / 64) >> (3 * (i / 16 % 4)) & 7;
    return double{float_from_f16(static_cast<uint16_t>(d))} * (2 * scale + 1) *
           moved(row.byte(0, i / 8) | (high & 7) << 8, i, (high & 8) != 0);
  }
  const uint32_t word = row.word(0, 2 * unit + 1);
  const uint32_t seven = word >> (7 * eight) & 127;
  const uint32_t signs = seven | (std::popcount(seven) % 2 != 0 ? 128U : 0U);
  const int code = grid_code(grid_codes(kIq2XxsGrid, row.byte(0, 8 * unit + eight)), i % 8);
  const double magnitude = std::array{8, 25, 43}[static_cast<size_t>(code)];
  return row.half(1, block) * (2 * (word >> 28) + 1) / 8 *
         ((signs >> (i % 8) & 1) != 0 ? -magnitude : magnitude);
}

/// Weight `i` of a row: scale * code + offset, with the formulas of each format's glsl file written out.
double weight(Format format, const Row& row, size_t i) {
  const size_t unit = i / 32;
  const size_t group = i / 16;
  const size_t block = i / 256;
  const uint32_t unit_of_block = i % 256 / 32;
  const auto scaled = [&](int plane, double code) {
    const auto [scale, minimum] = row.pair(plane, block, unit_of_block);
    return row.half(plane, 8 * block) * scale * code - row.half(plane, 8 * block + 1) * minimum;
  };
  switch (format) {
    case Format::kF32:
      return std::bit_cast<float>(row.word(0, i));
    case Format::kF16:
      return row.half(0, i);
    case Format::kBF16:
      return float_from_bf16(row.load<uint16_t>(0, i));
    case Format::kQ4_0:
      return row.half(1, unit) * (row.codes(0, 4, i) - 8.0);
    case Format::kQ4_1:
      return row.half(1, 2 * unit) * row.codes(0, 4, i) + row.half(1, 2 * unit + 1);
    case Format::kQ5_0:
      return row.half(2, unit) * ((row.codes(0, 4, i) | row.codes(1, 1, i) << 4) - 16.0);
    case Format::kQ5_1:
      return row.half(2, 2 * unit) * (row.codes(0, 4, i) | row.codes(1, 1, i) << 4) +
             row.half(2, 2 * unit + 1);
    case Format::kQ8_0:
      return row.half(1, unit) * (row.codes(0, 8, i) - 128.0);
    case Format::kQ2_K:
      return row.half(2, 2 * block) * (row.byte(1, group) & 15) * row.codes(0, 2, i) -
             row.half(2, 2 * block + 1) * (row.byte(1, group) >> 4);
    case Format::kQ3_K: {
      const double scale = row.pair(2, block, unit_of_block)[group % 2] - 32.0;
      return row.half(2, 8 * block) * scale * ((row.codes(0, 2, i) | row.codes(1, 1, i) << 2) - 4.0);
    }
    case Format::kQ4_K:
      return scaled(1, row.codes(0, 4, i));
    case Format::kQ5_K:
      return scaled(2, row.codes(0, 4, i) | row.codes(1, 1, i) << 4);
    case Format::kQ6_K:
      return row.half(3, block) * static_cast<int8_t>(row.byte(2, group)) *
             ((row.codes(0, 4, i) | row.codes(1, 2, i) << 4) - 32.0);
    case Format::kIQ1_S:
    case Format::kIQ1_M:
    case Format::kIQ2_XXS:
      return grid_weight(format, row, i);
    case Format::kIQ4_NL:
      return row.half(1, unit) * kIq4[row.codes(0, 4, i)];
    case Format::kIQ4_XS: {
      const uint32_t low = row.byte(1, 8 * block + 4 + unit_of_block / 2) >> (4 * (unit_of_block % 2)) & 15;
      const uint32_t high = row.load<uint16_t>(1, 4 * block + 1) >> (2 * unit_of_block) & 3;
      return row.half(1, 4 * block) * ((low | high << 4) - 32.0) * kIq4[row.codes(0, 4, i)];
    }
    case Format::kMXFP4:
      return std::ldexp(kMxfp4[row.codes(0, 4, i)], static_cast<int>(row.byte(1, unit)) - 128);
  }
  return NAN;
}

/// Random blocks: every bit of codes and scales, with f16 and f32 fields kept finite.
std::vector<std::byte> random_rows(const FormatInfo& row, uint64_t elements, uint32_t seed) {
  std::mt19937 random(seed);
  std::vector<std::byte> bytes(bytes_for(row.format, elements));
  if (row.block_elements == 1) {
    std::vector<float> values(elements);
    for (float& value : values) value = static_cast<float>(random() % 20001) / 1000 - 10;
    encode(row.format, values, bytes);
    return bytes;
  }
  for (std::byte& byte : bytes) byte = static_cast<std::byte>(random());
  for (size_t block = 0; block < bytes.size(); block += row.block_bytes) {
    size_t at = block;
    for (const Field& field : row.fields) {
      // The upper exponent bit of d, m and dmin cleared: below 2, never an infinity or a NaN.
      if (field.name[0] == 'd' || field.name == "m") bytes[at + 1] &= std::byte{0xBF};
      at += field.bytes;
    }
    // There d is in four pieces, and this bit of it in the last byte.
    if (row.format == Format::kIQ1_M) bytes[block + 55] &= std::byte{0xBF};
  }
  return bytes;
}

class ResidentTest : public ::testing::TestWithParam<FormatInfo> {};

TEST_P(ResidentTest, RowsHoldTheFilesWeightsExactly) {
  const FormatInfo& row = GetParam();
  const bool super = row.block_elements == 256;
  constexpr uint64_t kRows = 3;
  for (const uint64_t columns :
       super ? std::vector<uint64_t>{256, 512, 1280} : std::vector<uint64_t>{32, 64, 96, 576, 2048}) {
    const std::vector<std::byte> file = random_rows(row, kRows * columns, static_cast<uint32_t>(columns));
    std::vector<double> expected(kRows * columns);
    decode(row.format, file, expected);

    const RowLayout layout = row_layout(row.format, columns);
    std::vector<std::byte> packed(kRows * layout.row_bytes);
    pack_rows(row.format, columns, kRows, file, packed);
    for (uint64_t r = 0; r < kRows; ++r) {
      const Row resident(packed.data() + r * layout.row_bytes, layout);
      for (uint64_t i = 0; i < columns; ++i) {
        ASSERT_DOUBLE_EQ(weight(row.format, resident, i), expected[r * columns + i])
            << row.name << ", " << columns << " columns, row " << r << ", weight " << i;
      }
    }
  }
}

TEST_P(ResidentTest, PlanesStartOnSixteenBytesAndCostNearlyNothing) {
  const FormatInfo& row = GetParam();
  for (const uint64_t columns : {uint64_t{256}, uint64_t{768}, uint64_t{16384}}) {
    const RowLayout layout = row_layout(row.format, columns);
    EXPECT_EQ(layout.row_bytes % 16, 0U);
    EXPECT_EQ(layout.plane[0], 0U);
    for (size_t i = 1; i < layout.plane.size(); ++i) {
      EXPECT_EQ(layout.plane[i] % 16, 0U);
      if (layout.plane[i] != 0) {
        EXPECT_GT(layout.plane[i], layout.plane[i - 1]);
        EXPECT_LT(layout.plane[i], layout.row_bytes);
      }
    }
    // Q3_K's super-blocks grow by two bytes; beyond that only the planes' ends are padded.
    const uint64_t file = bytes_for(row.format, columns);
    EXPECT_GE(layout.row_bytes, file);
    EXPECT_LE(layout.row_bytes, file + columns / 256 * 2 + 4 * 15);
  }
}

TEST_P(ResidentTest, PackingIsRowByRow) {
  const FormatInfo& row = GetParam();
  constexpr uint64_t kColumns = 256;
  constexpr uint64_t kRows = 5;
  const RowLayout layout = row_layout(row.format, kColumns);
  const uint64_t file_row = bytes_for(row.format, kColumns);
  const std::vector<std::byte> file = random_rows(row, kRows * kColumns, 7);
  // Padding has no meaning, so both start from the same bytes.
  std::vector<std::byte> at_once(kRows * layout.row_bytes, std::byte{0xA5});
  std::vector<std::byte> one_by_one(at_once);
  pack_rows(row.format, kColumns, kRows, file, at_once);
  for (uint64_t r = 0; r < kRows; ++r) {
    pack_rows(row.format, kColumns, 1, std::span(file).subspan(r * file_row, file_row),
              std::span(one_by_one).subspan(r * layout.row_bytes, layout.row_bytes));
  }
  EXPECT_EQ(at_once, one_by_one);
}

TEST_P(ResidentTest, RefusesImpossibleWidths) {
  const FormatInfo& row = GetParam();
  std::vector<uint64_t> widths{
      0, 1, 16, 31, 33, 100, (uint64_t{1} << 20) + 256, uint64_t{1} << 32, UINT64_MAX - 31};
  if (row.block_elements == 256) widths.insert(widths.end(), {32, 128, 576});
  for (const uint64_t columns : widths) {
    try {
      row_layout(row.format, columns);
      ADD_FAILURE() << row.name << " with " << columns << " columns was accepted";
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::kUnsupported);
      EXPECT_NE(std::string(error.what()).find(row.name), std::string::npos) << error.what();
    }
  }
}

TEST_P(ResidentTest, RefusesBuffersOfTheWrongSize) {
  const FormatInfo& row = GetParam();
  std::vector<std::byte> file(bytes_for(row.format, 512));
  std::vector<std::byte> out(2 * row_layout(row.format, 256).row_bytes);
  EXPECT_NO_THROW(pack_rows(row.format, 256, 2, file, out));
  EXPECT_THROW(pack_rows(row.format, 256, 2, std::span(file).first(file.size() - 1), out), Error);
  EXPECT_THROW(pack_rows(row.format, 256, 2, file, std::span(out).first(out.size() - 16)), Error);
  EXPECT_THROW(pack_rows(row.format, 256, 3, file, out), Error);
}

INSTANTIATE_TEST_SUITE_P(, ResidentTest, every_format(), format_name);

}  // namespace
}  // namespace caldera::quant
