#include "gguf/metadata.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "expect_error.hpp"

namespace caldera::gguf {
namespace {

using ::testing::ElementsAre;

class MetadataTest : public ::testing::Test {
 protected:
  MetadataTest() {
    metadata.add({"unsigned", "uint32", uint64_t{7}});
    metadata.add({"signed", "int32", int64_t{8}});
    metadata.add({"negative", "int32", int64_t{-1}});
    metadata.add({"real", "float32", 0.5});
    metadata.add({"flag", "bool", true});
    metadata.add({"text", "string", std::string("hello")});
    metadata.add({"texts", "array of string", Array(std::vector<std::string>{"a", "b"})});
    metadata.add({"signeds", "array of int32", Array(std::vector<int64_t>{-1, 2})});
    metadata.add({"unsigneds", "array of uint64", Array(std::vector<uint64_t>{1, ~uint64_t{0}})});
    metadata.add({"reals", "array of float32", Array(std::vector<double>{0.25})});
    metadata.add({"flags", "array of bool", Array(std::vector<bool>{true, false})});
  }
  Metadata metadata;
};

TEST_F(MetadataTest, KeepsTheOrderOfTheFile) {
  ASSERT_EQ(metadata.entries().size(), 11u);
  EXPECT_EQ(metadata.entries()[0].key, "unsigned");
  EXPECT_EQ(metadata.entries()[10].key, "flags");
}

TEST_F(MetadataTest, LooksUpByType) {
  EXPECT_EQ(metadata.integer("unsigned"), 7u);
  EXPECT_EQ(metadata.integer("signed"), 8u);
  EXPECT_EQ(metadata.number("negative"), -1.0);
  EXPECT_EQ(metadata.number("unsigned"), 7.0);
  EXPECT_EQ(metadata.number("real"), 0.5);
  EXPECT_EQ(metadata.boolean("flag"), true);
  EXPECT_EQ(metadata.string("text"), "hello");
  EXPECT_THAT(*metadata.strings("texts"), ElementsAre("a", "b"));
  EXPECT_THAT(*metadata.integers("signeds"), ElementsAre(-1, 2));
  EXPECT_THAT(*metadata.integers("flags"), ElementsAre(1, 0));
  EXPECT_THAT(*metadata.numbers("signeds"), ElementsAre(-1, 2));
  EXPECT_THAT(*metadata.numbers("reals"), ElementsAre(0.25));
}

TEST_F(MetadataTest, AbsentIsNothing) {
  EXPECT_FALSE(metadata.has("absent"));
  EXPECT_EQ(metadata.find("absent"), nullptr);
  EXPECT_EQ(metadata.integer("absent"), std::nullopt);
  EXPECT_EQ(metadata.number("absent"), std::nullopt);
  EXPECT_EQ(metadata.boolean("absent"), std::nullopt);
  EXPECT_EQ(metadata.string("absent"), std::nullopt);
  EXPECT_EQ(metadata.strings("absent"), nullptr);
  EXPECT_EQ(metadata.integers("absent"), std::nullopt);
  EXPECT_EQ(metadata.numbers("absent"), std::nullopt);
}

TEST_F(MetadataTest, NamesTheKeyThatFails) {
  const auto fails = [](std::initializer_list<std::string> said, auto act) {
    expect_error(ErrorKind::kFormat, said, act);
  };
  fails({"'text'", "string", "an integer"}, [&] { metadata.integer("text"); });
  fails({"'negative'", "-1"}, [&] { metadata.integer("negative"); });
  fails({"'flag'", "bool"}, [&] { metadata.number("flag"); });
  fails({"'unsigned'", "uint32"}, [&] { metadata.boolean("unsigned"); });
  fails({"'texts'", "array of string"}, [&] { metadata.string("texts"); });
  fails({"'text'"}, [&] { metadata.strings("text"); });
  fails({"'reals'"}, [&] { metadata.strings("reals"); });
  fails({"'reals'"}, [&] { metadata.integers("reals"); });
  fails({"'unsigneds'", "18446744073709551615"}, [&] { metadata.integers("unsigneds"); });
  fails({"'texts'"}, [&] { metadata.numbers("texts"); });
  fails({"'absent'"}, [&] { metadata.required_integer("absent"); });
  fails({"'absent'"}, [&] { metadata.required_number("absent"); });
  fails({"'absent'"}, [&] { metadata.required_string("absent"); });
  fails({"'flag'"}, [&] { metadata.add({"flag", "bool", false}); });
}

}  // namespace
}  // namespace caldera::gguf
