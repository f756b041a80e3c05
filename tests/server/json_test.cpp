// JSON within limits, and errors that say where.
#include "server/json.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "caldera/error.hpp"

namespace caldera::server {
namespace {

using testing::HasSubstr;

std::string error_of(std::string_view body, const JsonLimits& limits = {}) {
  try {
    parse_json(body, limits);
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kInput);
    return error.what();
  }
  return "none";
}

std::string nested(size_t depth) {
  return std::string(depth, '[') + std::string(depth, ']');
}

TEST(Json, IsReadInOrder) {
  const std::string text =
      R"({"b":[1,-2,1.5,"x",true,null,{"c":{}}],"a":{"z":1,"y":[[],{}]},"e":18446744073709551615})";
  EXPECT_EQ(parse_json(text).dump(), text);
  EXPECT_EQ(parse_json(" 7 "), 7);
}

TEST(Json, ErrorsSayWhere) {
  EXPECT_THAT(error_of("{\n  \"a\": tru\n}"), HasSubstr("line 2"));
  EXPECT_THAT(error_of("{\"messages\": [{\"role\": }]}"), HasSubstr("in 'messages'"));
  EXPECT_THAT(error_of("{\"a\": 1"), HasSubstr("it ends too early"));
  EXPECT_THAT(error_of(""), HasSubstr("it ends too early"));
  EXPECT_THAT(error_of("{\"a\": \"\xff\"}"), HasSubstr("not UTF-8"));
  EXPECT_THAT(error_of("{} x"), HasSubstr("line 1, column 4"));
  EXPECT_THAT(error_of("[1e999]"), HasSubstr("not valid JSON"));
  EXPECT_THAT(error_of("{\"a\": 1, \"a\": 2}"), HasSubstr("the key 'a' twice"));
}

TEST(Json, IsBounded) {
  EXPECT_EQ(error_of(nested(64)), "none");
  EXPECT_THAT(error_of(nested(65)), HasSubstr("deeper than 64"));
  EXPECT_THAT(error_of(std::string(1'000'000, '[')), HasSubstr("deeper than 64"));
  EXPECT_THAT(error_of("[1,2,3,4]", {.values = 4}), HasSubstr("more than 4 JSON values"));
  EXPECT_THAT(error_of(R"({"a":1,"b":2,"c":3})", {.keys = 2}), HasSubstr("more than 2 keys"));
}

TEST(Json, OfAnyBytesIsReadOrRefused) {
  std::mt19937 random(4);
  const std::string seed = R"({"model":"x","messages":[{"role":"user","content":"h\u00e9"}],"n":1.5e3})";
  for (int i = 0; i < 5000; ++i) {
    std::string text = seed;
    for (size_t change = 0; change <= random() % 4; ++change) {
      text[random() % text.size()] = static_cast<char>(random());
    }
    error_of(text);
  }
}

}  // namespace
}  // namespace caldera::server
