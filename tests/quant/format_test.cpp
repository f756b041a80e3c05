#include "quant/format.hpp"

#include <gtest/gtest.h>

#include <limits>
#include <set>
#include <vector>

#include "caldera/error.hpp"
#include "quant/gguf_types.hpp"

namespace caldera::quant {
namespace {

TEST(FormatTable, HoldsEveryFormatOnce) {
  std::set<std::string_view> names;
  for (const FormatInfo& row : formats()) {
    EXPECT_TRUE(names.insert(row.name).second) << row.name;
    EXPECT_EQ(&info(row.format), &row);
    EXPECT_EQ(format_from_gguf(static_cast<uint32_t>(row.format)), row.format);
    EXPECT_EQ(gguf_type_name(static_cast<uint32_t>(row.format)), row.name);
    uint32_t bytes = 0;
    for (const Field& field : row.fields) bytes += field.bytes;
    EXPECT_EQ(bytes, row.block_bytes) << row.name;
  }
  EXPECT_EQ(names.size(), 19u);
}

TEST(FormatTable, FieldsComeInTheOrderOfTheFile) {
  const auto fields = info(Format::kQ2_K).fields;
  ASSERT_EQ(fields.size(), 4u);
  EXPECT_EQ(fields[0].name, "scales");
  EXPECT_EQ(fields[3].name, "dmin");
}

TEST(FormatTable, NamesTypesItCannotComputeWith) {
  EXPECT_EQ(format_from_gguf(17), std::nullopt);
  EXPECT_EQ(gguf_type_name(17), "IQ2_XS");
  EXPECT_EQ(gguf_type(17)->block_bytes, 74u);
  EXPECT_EQ(gguf_type_name(77), "type 77");
  EXPECT_EQ(gguf_type(77), std::nullopt);
  EXPECT_EQ(gguf_type_name(std::numeric_limits<uint32_t>::max()), "type 4294967295");
}

TEST(BytesFor, CountsWholeBlocks) {
  EXPECT_EQ(bytes_for(Format::kQ4_1, 64), 40u);
  EXPECT_EQ(bytes_for(Format::kQ6_K, 0), 0u);
  EXPECT_EQ(bytes_for(Format::kF32, 3), 12u);
  EXPECT_THROW(bytes_for(Format::kQ4_1, 33), Error);
  EXPECT_THROW(bytes_for(Format::kF32, uint64_t{1} << 62), Error);
  EXPECT_THROW(bytes_for(static_cast<Format>(99), 32), Error);
}

TEST(Decode, RefusesSpansThatDoNotMatch) {
  std::vector<std::byte> block(18);
  std::vector<float> out(32);
  EXPECT_NO_THROW(decode(Format::kQ4_0, block, out));
  EXPECT_THROW(decode(Format::kQ4_0, std::span(block).first(17), out), Error);
  EXPECT_THROW(decode(Format::kQ4_0, block, std::span(out).first(31)), Error);
  EXPECT_THROW(encode(Format::kQ4_1, out, block), Error);
}

}  // namespace
}  // namespace caldera::quant
