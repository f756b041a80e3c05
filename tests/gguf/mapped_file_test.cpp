// Mapped files against their bytes.
#include "gguf/mapped_file.hpp"

#include <gtest/gtest.h>

#include <cstring>

#include "expect_error.hpp"
#include "model_on_disk.hpp"

namespace caldera::gguf {
namespace {

TEST(MappedFile, ShowsEachFileOfASet) {
  const ModelOnDisk model(std::filesystem::temp_directory_path(), 3);
  for (uint32_t i = 0; i < 3; ++i) {
    const MappedFile mapped(model.file, i);
    const std::string& expected = model.contents[i];
    ASSERT_EQ(mapped.bytes().size(), expected.size());
    mapped.populate(0, expected.size());
    mapped.populate(expected.size() - 1, 1);
    mapped.populate(4097, 0);
    EXPECT_EQ(std::memcmp(mapped.bytes().data(), expected.data(), expected.size()), 0);
  }
  expect_error(ErrorKind::kInternal, {"no file 3"}, [&] { MappedFile(model.file, 3); });
}

TEST(MappedFile, OutlivesItsFileAndMoves) {
  auto model = std::make_unique<ModelOnDisk>();
  const std::string expected = model->contents[0];
  MappedFile mapped(model->file, 0);
  model.reset();
  MappedFile other(std::move(mapped));
  mapped = std::move(other);
  EXPECT_EQ(std::memcmp(mapped.bytes().data(), expected.data(), expected.size()), 0);
}

TEST(MappedFile, NamesWhatHasBecomeShorter) {
  const ModelOnDisk model;
  const MappedFile mapped(model.file, 0);
  model.shorten(0, 100000);
  EXPECT_NO_THROW(mapped.populate(0, 50000));
  expect_error(ErrorKind::kFile, {model.file.paths()[0].string(), "65536 bytes at byte 500000", "shorter"},
               [&] { mapped.populate(500000, 65536); });
}

TEST(MappedFile, RefusesRangesOutside) {
  const ModelOnDisk model;
  const MappedFile mapped(model.file, 0);
  const uint64_t size = mapped.bytes().size();
  for (const auto& range : {std::pair(size + 1, uint64_t{0}),
                            {uint64_t{1}, size},
                            {uint64_t{1}, UINT64_MAX},
                            {UINT64_MAX, size}}) {
    expect_error(ErrorKind::kInternal, {"do not lie"}, [&] { mapped.populate(range.first, range.second); });
  }
}

}  // namespace
}  // namespace caldera::gguf
