// Models in several files.
#include <gtest/gtest.h>

#include "expect_error.hpp"
#include "gguf/file.hpp"
#include "gguf/split_name.hpp"
#include "gguf/writer.hpp"
#include "raw_gguf.hpp"
#include "temporary_folder.hpp"

namespace caldera::gguf {
namespace {

TEST(SplitName, IsTakenApartAndPutTogether) {
  const auto name = parse_split_name("some/folder/model-00002-of-00013.gguf");
  ASSERT_TRUE(name);
  EXPECT_EQ(name->model, "some/folder/model");
  EXPECT_EQ(name->number, 2u);
  EXPECT_EQ(name->count, 13u);
  EXPECT_EQ(split_path(name->model, 13, 13), "some/folder/model-00013-of-00013.gguf");
  EXPECT_EQ(parse_split_name("x-00001-of-00001.gguf")->model, "x");
}

TEST(SplitName, NothingElseIsOne) {
  for (const char* path :
       {"", "model.gguf", "m-00000-of-00002.gguf", "m-00003-of-00002.gguf", "m-0001-of-0002.gguf",
        "m-00001-of-00002.bin", "m-0000a-of-00002.gguf", "m-+0001-of-00002.gguf", "m-00001_of_00002.gguf",
        "m-00001-of-99999.gguf", "m00001-of-00002.gguf"}) {
    EXPECT_FALSE(parse_split_name(path)) << path;
  }
}

class SplitTest : public ::testing::Test {
 protected:
  SplitTest() {
    writer.set("general.architecture", "llama");
    for (int i = 0; i < 7; ++i) {
      writer.add("tensor" + std::to_string(i), quant::Format::kF32, {8},
                 std::vector<std::byte>(32, std::byte(i)));
    }
  }

  /// One file of a set, written by hand.
  std::filesystem::path part(uint16_t number, uint16_t count, int32_t tensors, const std::string& tensor,
                             const std::string& name) const {
    RawGguf raw(1, 3);
    raw.entry("split.no", ValueType::kUint16, number).entry("split.count", ValueType::kUint16, count);
    raw.entry("split.tensors.count", ValueType::kInt32, tensors);
    raw.tensor(tensor, {8}, 0, 0).align().zeros(32);
    return folder.write(name, raw.bytes());
  }

  TemporaryFolder folder;
  Writer writer;
};

TEST_F(SplitTest, EveryMemberOpensTheWholeSet) {
  for (const uint32_t splits : {2u, 3u, 7u, 9u}) {  // with 9 some hold no tensor
    const auto first = writer.write(folder.path() / "model.gguf", splits);
    EXPECT_EQ(first, split_path(folder.path() / "model", 1, splits));
    for (uint32_t given = 1; given <= splits; ++given) {
      const File file = File::open(split_path(folder.path() / "model", given, splits));
      ASSERT_EQ(file.paths().size(), splits);
      EXPECT_EQ(file.paths().front(), first);
      ASSERT_EQ(file.tensors().size(), 7u);
      EXPECT_EQ(file.metadata().string("general.architecture"), "llama");
      uint64_t bytes = 0;
      for (const auto& path : file.paths()) bytes += std::filesystem::file_size(path);
      EXPECT_EQ(file.file_bytes(), bytes);
      for (int i = 0; i < 7; ++i) {
        const Tensor* tensor = file.find("tensor" + std::to_string(i));
        ASSERT_NE(tensor, nullptr);
        std::vector<std::byte> data(tensor->bytes);
        file.read(*tensor, 0, data);
        EXPECT_EQ(data, std::vector<std::byte>(32, std::byte(i)));
      }
    }
  }
}

TEST_F(SplitTest, PartsAreOfAboutTheSameSize) {
  const File file = File::open(writer.write(folder.path() / "model.gguf", 3));
  std::vector<int> held(3);
  for (const Tensor& tensor : file.tensors()) ++held[tensor.file];
  for (const int count : held) EXPECT_NEAR(count, 7 / 3.0, 1.0);
}

TEST_F(SplitTest, NamesTheMissingFile) {
  const auto first = writer.write(folder.path() / "model.gguf", 3);
  const auto third = split_path(folder.path() / "model", 3, 3);
  std::filesystem::remove(third);
  expect_error(ErrorKind::kFile, {third.string(), "split 3 of 3 is missing"}, [&] { File::open(first); });
}

TEST_F(SplitTest, NeedsTheNameOfASplit) {
  const auto first = writer.write(folder.path() / "model.gguf", 2);
  const auto renamed = folder.path() / "renamed.gguf";
  std::filesystem::rename(first, renamed);
  expect_error(ErrorKind::kFile, {"renamed.gguf", "split 1 of 2", "-00001-of-00002.gguf"},
               [&] { File::open(renamed); });
}

TEST_F(SplitTest, NameAndMetadataMustAgree) {
  const auto path = part(0, 2, 2, "a", "m-00002-of-00003.gguf");
  expect_error(ErrorKind::kFormat, {path.string(), "2 of 3", "1 of 2"}, [&] { File::open(path); });
}

TEST_F(SplitTest, MembersMustBeOfOneModel) {
  const auto first = part(0, 2, 2, "a", "m-00001-of-00002.gguf");
  const auto second = part(1, 2, 5, "b", "m-00002-of-00002.gguf");
  expect_error(ErrorKind::kFormat, {second.string(), "number of tensors"}, [&] { File::open(first); });
  part(1, 3, 2, "b", "m-00002-of-00002.gguf");
  expect_error(ErrorKind::kFormat, {second.string(), "2 of 3"}, [&] { File::open(first); });
  part(1, 2, 2, "a", "m-00002-of-00002.gguf");
  expect_error(ErrorKind::kFormat, {second.string(), "'a'", "another split"}, [&] { File::open(first); });
  folder.write("m-00002-of-00002.gguf", "GGUF");
  expect_error(ErrorKind::kFormat, {second.string(), "truncated"}, [&] { File::open(first); });
  part(1, 2, 2, "b", "m-00002-of-00002.gguf");
  EXPECT_EQ(File::open(first).tensors().size(), 2u);
}

TEST_F(SplitTest, CountsTheTensors) {
  const auto first = part(0, 2, 3, "a", "m-00001-of-00002.gguf");
  part(1, 2, 3, "b", "m-00002-of-00002.gguf");
  expect_error(ErrorKind::kFormat, {"2 tensors", "3"}, [&] { File::open(first); });
}

TEST_F(SplitTest, KeysOfAnotherTypeAreNamed) {
  RawGguf raw(0, 1);
  raw.entry("split.count", "two");
  const auto path = folder.write("m-00001-of-00002.gguf", raw.bytes());
  expect_error(ErrorKind::kFormat, {path.string(), "'split.count'"}, [&] { File::open(path); });
}

TEST_F(SplitTest, AWholeFileMayHaveSuchAName) {
  const auto path = folder.write("m-00001-of-00002.gguf", small_gguf());
  EXPECT_EQ(File::open(path).paths().size(), 1u);
}

}  // namespace
}  // namespace caldera::gguf
