#include "gguf/writer.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <stdexcept>

#include "expect_error.hpp"
#include "gguf/file.hpp"
#include "temporary_folder.hpp"

namespace caldera::gguf {
namespace {

using ::testing::ElementsAre;

std::vector<std::byte> pattern(size_t bytes, uint8_t first) {
  std::vector<std::byte> data(bytes);
  for (size_t i = 0; i < bytes; ++i) data[i] = static_cast<std::byte>(first + i);
  return data;
}

std::vector<std::byte> read_all(const File& file, std::string_view name) {
  const Tensor& tensor = *file.find(name);
  std::vector<std::byte> data(tensor.bytes);
  file.read(tensor, 0, data);
  return data;
}

class WriterTest : public ::testing::Test {
 protected:
  size_t files_in_folder() const {
    return static_cast<size_t>(std::distance(std::filesystem::directory_iterator(folder.path()), {}));
  }
  TemporaryFolder folder;
  Writer writer;
};

TEST_F(WriterTest, WhatWasWrittenIsRead) {
  writer.set("architecture", "llama");
  writer.set("count", uint32_t{1});
  writer.set("count", uint32_t{42});
  writer.set("scale", 0.5f);
  writer.set("flag", true);
  writer.set("tokens", std::vector<std::string>{"a", "", "c"});
  writer.set("scores", std::vector<float>{1, 2});
  writer.set("types", std::vector<int32_t>{-1, 3});
  writer.add("weights", quant::Format::kQ4_K, {512, 3}, pattern(144 * 6, 1));
  writer.add("norm", quant::Format::kF32, {5}, pattern(20, 2));
  const File file = File::open(writer.write(folder.path() / "model.gguf"));
  EXPECT_EQ(file.version(), 3u);
  EXPECT_EQ(file.metadata().entries().size(), 7u);
  EXPECT_EQ(file.metadata().string("architecture"), "llama");
  EXPECT_EQ(file.metadata().integer("count"), 42u);
  EXPECT_EQ(file.metadata().number("scale"), 0.5);
  EXPECT_EQ(file.metadata().boolean("flag"), true);
  EXPECT_THAT(*file.metadata().strings("tokens"), ElementsAre("a", "", "c"));
  EXPECT_THAT(*file.metadata().numbers("scores"), ElementsAre(1, 2));
  EXPECT_THAT(*file.metadata().integers("types"), ElementsAre(-1, 3));
  EXPECT_THAT(file.find("weights")->shape, ElementsAre(512, 3));
  EXPECT_EQ(file.find("weights")->format(), quant::Format::kQ4_K);
  EXPECT_EQ(read_all(file, "weights"), pattern(144 * 6, 1));
  EXPECT_EQ(read_all(file, "norm"), pattern(20, 2));
  EXPECT_EQ(files_in_folder(), 1u);
}

TEST_F(WriterTest, ProducesLargeTensorsInWholeRows) {
  constexpr uint64_t kRow = 3000;
  constexpr uint64_t kRows = 900;  // 10.8 MB
  uint64_t next = 0;
  writer.add("large", quant::Format::kF32, {kRow, kRows}, [&](uint64_t offset, std::span<std::byte> out) {
    EXPECT_EQ(offset, next);
    EXPECT_EQ(out.size() % (kRow * 4), 0u);
    next = offset + out.size();
    for (size_t i = 0; i < out.size(); ++i) out[i] = static_cast<std::byte>((offset + i) % 251);
  });
  const File file = File::open(writer.write(folder.path() / "model.gguf"));
  const auto data = read_all(file, "large");
  ASSERT_EQ(data.size(), kRow * kRows * 4);
  for (size_t i = 0; i < data.size(); ++i) ASSERT_EQ(data[i], static_cast<std::byte>(i % 251)) << i;
}

TEST_F(WriterTest, HonoursTheAlignment) {
  writer.set("general.alignment", uint32_t{256});
  writer.add("a", quant::Format::kF32, {1}, pattern(4, 1));
  writer.add("b", quant::Format::kF32, {1}, pattern(4, 2));
  for (const uint32_t splits : {1u, 2u}) {
    const File file = File::open(writer.write(folder.path() / "model.gguf", splits));
    EXPECT_EQ(file.find("a")->offset % 256, 0u);
    EXPECT_EQ(file.find("b")->offset % 256, 0u);
    EXPECT_EQ(read_all(file, "b"), pattern(4, 2));
  }
  writer.set("general.alignment", uint32_t{33});
  expect_error(ErrorKind::kUsage, {"33"}, [&] { writer.write(folder.path() / "model.gguf"); });
}

TEST_F(WriterTest, AFailureLeavesTheOldFileAndNothingElse) {
  writer.set("key", "old");
  const auto path = writer.write(folder.path() / "model.gguf");
  writer.set("key", "new");
  writer.add("broken", quant::Format::kF32, {4},
             [](uint64_t, std::span<std::byte>) { throw std::runtime_error("no data"); });
  EXPECT_THROW(writer.write(path), std::runtime_error);
  EXPECT_EQ(File::open(path).metadata().string("key"), "old");
  EXPECT_THROW(writer.write(path, 3), std::runtime_error);
  EXPECT_EQ(files_in_folder(), 1u);
}

TEST_F(WriterTest, RefusesWhatIsNoTensor) {
  const auto refuses = [&](std::vector<uint64_t> shape, size_t bytes) {
    EXPECT_THROW(writer.add("t", quant::Format::kQ8_0, std::move(shape), pattern(bytes, 0)), Error);
  };
  refuses({}, 0);
  refuses({32, 0}, 0);
  refuses({32, 1, 1, 1, 1}, 34);
  refuses({16, 2}, 34);  // half a block a row
  refuses({32}, 33);
  refuses({uint64_t{1} << 63, 32}, 34);
  writer.add("t", quant::Format::kQ8_0, {32}, pattern(34, 0));
  refuses({32}, 34);  // the same name again
}

TEST_F(WriterTest, SaysWhyItCannotWrite) {
  expect_error(ErrorKind::kFile, {"absent", "No such file"},
               [&] { writer.write(folder.path() / "absent" / "x.gguf"); });
  expect_error(ErrorKind::kUsage, {"0 splits"}, [&] { writer.write(folder.path() / "x.gguf", 0); });
  expect_error(ErrorKind::kUsage, {"70000 splits"}, [&] { writer.write(folder.path() / "x.gguf", 70000); });
}

}  // namespace
}  // namespace caldera::gguf
