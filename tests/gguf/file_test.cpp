// Opening whole, valid files, and reading from them.
#include "gguf/file.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <algorithm>

#include "expect_error.hpp"
#include "raw_gguf.hpp"
#include "temporary_folder.hpp"

namespace caldera::gguf {
namespace {

using ::testing::ElementsAre;

class FileTest : public ::testing::Test {
 protected:
  File open(const std::string& bytes) const { return File::open(folder.write("model.gguf", bytes)); }
  TemporaryFolder folder;
};

TEST_F(FileTest, ReadsEveryTypeOfValue) {
  const File file = open(small_gguf());
  EXPECT_EQ(file.version(), 3u);
  EXPECT_EQ(file.file_bytes(), small_gguf().size());
  const Metadata& metadata = file.metadata();
  ASSERT_EQ(metadata.entries().size(), 16u);
  EXPECT_EQ(metadata.string("general.architecture"), "llama");
  EXPECT_EQ(metadata.integer("a.uint8"), 200u);
  EXPECT_EQ(metadata.number("a.int8"), -100);
  EXPECT_EQ(metadata.integer("a.uint16"), 60000u);
  EXPECT_EQ(metadata.number("a.int16"), -30000);
  EXPECT_EQ(metadata.integer("a.uint32"), 4000000000u);
  EXPECT_EQ(metadata.number("a.int32"), -2000000000);
  EXPECT_EQ(metadata.integer("a.uint64"), ~uint64_t{0});
  EXPECT_EQ(metadata.number("a.int64"), -5);
  EXPECT_EQ(metadata.number("a.float32"), 1.5);
  EXPECT_EQ(metadata.number("a.float64"), 0.1);
  EXPECT_EQ(metadata.boolean("a.bool"), true);
  EXPECT_THAT(*metadata.strings("b.strings"), ElementsAre("one", "", "three"));
  EXPECT_THAT(*metadata.integers("b.numbers"), ElementsAre(-1, 2, 3));
  EXPECT_THAT(*metadata.integers("b.bools"), ElementsAre(1, 0));
  EXPECT_TRUE(metadata.numbers("b.floats")->empty());
  EXPECT_EQ(metadata.entries()[1].type, "uint8");
  EXPECT_EQ(metadata.entries()[12].type, "array of string");
}

TEST_F(FileTest, PlacesTensors) {
  const File file = open(small_gguf());
  ASSERT_EQ(file.tensors().size(), 3u);
  const Tensor* first = file.find("first");
  ASSERT_NE(first, nullptr);
  EXPECT_EQ(first->format(), quant::Format::kQ4_0);
  EXPECT_EQ(first->columns(), 32u);
  EXPECT_EQ(first->rows(), 2u);
  EXPECT_EQ(first->elements(), 64u);
  EXPECT_EQ(first->bytes, 36u);
  EXPECT_EQ(first->offset % 32, 0u);
  EXPECT_EQ(file.find("second")->rows(), 2u);
  EXPECT_EQ(file.find("fourth"), nullptr);
}

TEST_F(FileTest, OpensFormatsItCannotComputeWith) {
  const File file = open(small_gguf());
  const Tensor* third = file.find("third");
  EXPECT_EQ(third->bytes, 74u);
  expect_error(ErrorKind::kUnsupported, {"'third'", "IQ2_XS"}, [&] { third->format(); });
}

TEST_F(FileTest, SizesUnknownTypesByTheNextTensor) {
  RawGguf raw(2, 0);
  raw.tensor("a", {100}, 1234, 0).tensor("b", {100}, 1234, 64).align().zeros(64 + 20);
  const File file = open(raw.bytes());
  EXPECT_EQ(file.find("a")->bytes, 64u);
  EXPECT_EQ(file.find("b")->bytes, 20u);
  expect_error(ErrorKind::kUnsupported, {"'a'", "type 1234"}, [&] { file.find("a")->format(); });
}

TEST_F(FileTest, ReadsPieces) {
  const File file = open(small_gguf());
  const Tensor& third = *file.find("third");
  std::vector<std::byte> piece(7);
  file.read(third, 3, piece);
  EXPECT_EQ(piece.front(), std::byte{99});
  EXPECT_EQ(piece.back(), std::byte{105});
  file.read(third, 74, {});
  EXPECT_THROW(file.read(third, 68, piece), Error);
  EXPECT_THROW(file.read(third, ~uint64_t{0}, piece), Error);
}

TEST_F(FileTest, NamesTheTensorWhenTheFileShrank) {
  const auto path = folder.write("model.gguf", small_gguf());
  const File file = File::open(path);
  std::filesystem::resize_file(path, small_gguf().size() - 10);
  std::vector<std::byte> whole(74);
  expect_error(ErrorKind::kFile, {"'third'", "shorter", path.string()},
               [&] { file.read(*file.find("third"), 0, whole); });
}

TEST_F(FileTest, Version2) {
  RawGguf raw(0, 1, 2);
  raw.entry("key", ValueType::kUint32, uint32_t{1});
  EXPECT_EQ(open(raw.bytes()).version(), 2u);
}

TEST_F(FileTest, NeedsNoTensorsAndNoKeys) {
  EXPECT_TRUE(open(RawGguf(0, 0).bytes()).tensors().empty());
}

TEST_F(FileTest, HonoursTheAlignment) {
  RawGguf raw(2, 1);
  raw.entry("general.alignment", ValueType::kUint32, uint32_t{8});
  raw.tensor("a", {2}, 0, 0).tensor("b", {2}, 0, 8).align(8).zeros(8).number(2.0f).number(3.0f);
  const File file = open(raw.bytes());
  float values[2];
  file.read(*file.find("b"), 0, std::as_writable_bytes(std::span(values)));
  EXPECT_THAT(values, ElementsAre(2.0f, 3.0f));
}

TEST_F(FileTest, TensorsMayComeInAnyOrder) {
  RawGguf raw(2, 0);
  raw.tensor("late", {2}, 0, 32).tensor("early", {2}, 0, 0).align().zeros(40);
  EXPECT_LT(open(raw.bytes()).find("early")->offset, open(raw.bytes()).find("late")->offset);
}

// Longer than one piece of the cursor, with strings across its edges.
TEST_F(FileTest, ReadsLongHeaders) {
  constexpr uint64_t kCount = 200000;
  RawGguf raw(0, 2);
  raw.array("tokens", ValueType::kString, kCount);
  for (uint64_t i = 0; i < kCount; ++i) raw.string(std::string(i % 13, 'a') + std::to_string(i));
  raw.entry("long", std::string(3 << 20, 'x'));
  const File file = open(raw.bytes());
  const auto* tokens = file.metadata().strings("tokens");
  ASSERT_EQ(tokens->size(), kCount);
  for (uint64_t i = 0; i < kCount; ++i) ASSERT_EQ((*tokens)[i], std::string(i % 13, 'a') + std::to_string(i));
  EXPECT_EQ(file.metadata().string("long")->size(), size_t{3} << 20);
}

TEST_F(FileTest, IsMovable) {
  File file = open(small_gguf());
  File moved = std::move(file);
  EXPECT_NE(moved.find("first"), nullptr);
  file = std::move(moved);
  std::vector<std::byte> piece(1);
  EXPECT_NO_THROW(file.read(*file.find("first"), 0, piece));
}

TEST_F(FileTest, SaysWhyAPathCannotBeOpened) {
  const auto open_path = [](const std::filesystem::path& path) { return [path] { File::open(path); }; };
  expect_error(ErrorKind::kFile, {"absent.gguf", "No such file"}, open_path(folder.path() / "absent.gguf"));
  expect_error(ErrorKind::kFile, {"folder"}, open_path(folder.path()));
  expect_error(ErrorKind::kFile, {"No such file"}, open_path(""));
  expect_error(ErrorKind::kFile, {"regular file"}, open_path("/dev/null"));
  const auto pipe = folder.path() / "pipe";
  ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
  expect_error(ErrorKind::kFile, {"regular file"}, open_path(pipe));
}

TEST_F(FileTest, SaysWhatAForeignFileIs) {
  const auto says = [&](const std::string& words, const std::string& bytes) {
    expect_error(ErrorKind::kFormat, {words, "model.gguf"}, [&] { open(bytes); });
  };
  says("empty", "");
  says("not a GGUF", "G");
  says("truncated", "GGUF");
  says("not a GGUF", "x");
  says("not a GGUF", "an ordinary text");
  says("web page", "\n<!DOCTYPE html><html></html>");
  says("web page", "<HTML>");
  says("git lfs pull", "version https://git-lfs.github.com/spec/v1\noid sha256:0\n");
  says("zip", std::string("PK\x03\x04", 4) + "data");
  says("older", "tjgg....");
  says("JSON", "{\"architectures\": []}");
  says("zeros", std::string(100, '\0'));
  says("safetensors", std::string("\x10\0\0\0\0\0\0\0{\"a\":{}}        ", 24));
}

TEST_F(FileTest, NamesByteOrderAndVersions) {
  const auto unsupported = [&](const std::string& words, uint32_t version) {
    expect_error(ErrorKind::kUnsupported, {words}, [&] { open(RawGguf(0, 0, version).bytes()); });
  };
  unsupported("big-endian", 0x03000000);
  unsupported("version 1", 1);
  unsupported("version 4", 4);
  unsupported("version 0", 0);
}

}  // namespace
}  // namespace caldera::gguf
