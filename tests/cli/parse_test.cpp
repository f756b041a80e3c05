#include "cli/parse.hpp"

#include <gtest/gtest.h>

#include "caldera/error.hpp"

namespace caldera::cli {
namespace {

TEST(Parse, ReadsSizes) {
  EXPECT_EQ(parse_size("x", "96GiB"), uint64_t{96} << 30);
  EXPECT_EQ(parse_size("x", "500M"), uint64_t{500} << 20);
  EXPECT_EQ(parse_size("x", "500MB"), 500'000'000U);
  EXPECT_EQ(parse_size("x", "1.5 k"), 1536U);
  EXPECT_EQ(parse_size("x", "12345"), 12345U);
  EXPECT_EQ(parse_size("x", "7B"), 7U);
}

TEST(Parse, RefusesWhatIsNoSize) {
  for (const char* text :
       {"", "0", "-1G", "G", "1X", "1GiBs", "1e30", "nan", "inf", "99999999999T", "0.1", "1G1"}) {
    EXPECT_THROW(parse_size("x", text), Error) << text;
  }
}

TEST(Parse, KeepsNumbersInTheirRange) {
  EXPECT_EQ(parse_number("x", "0.5", 0, 1), 0.5F);
  EXPECT_EQ(parse_number("x", "0", 0, 1), 0.0F);
  EXPECT_THROW(parse_number("x", "0", 0, 1, true), Error);
  for (const char* text : {"", "1.01", "-0.1", "nan", "inf", "0.5x", "1e99", " 0"}) {
    EXPECT_THROW(parse_number("x", text, 0, 1), Error) << text;
  }
  EXPECT_EQ(parse_integer("x", "18446744073709551615", 0, UINT64_MAX), UINT64_MAX);
  for (const char* text : {"", "-1", "11", "1.0", "18446744073709551616", "+1", "0x1"}) {
    EXPECT_THROW(parse_integer("x", text, 0, 10), Error) << text;
  }
}

TEST(Parse, NamesTheOptionAndItsRange) {
  try {
    parse_number("--top-p", "2", 0, 1, true);
    FAIL();
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(), "--top-p must be a number above 0 and at most 1, not '2'");
    EXPECT_EQ(error.kind(), ErrorKind::kUsage);
  }
}

}  // namespace
}  // namespace caldera::cli
