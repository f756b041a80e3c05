// The pipeline store: one pipeline for each set of constants, and the driver's cache on disk.
#include "vulkan/pipeline_store.hpp"

#include <gtest/gtest.h>

#include <fstream>
#include <iterator>

#include "gguf/temporary_folder.hpp"
#include "kernels/shaders.hpp"
#include "support/device.hpp"

namespace caldera::vulkan {
namespace {

const std::vector<uint32_t> kConstants{8};

std::vector<std::filesystem::path> files_in(const std::filesystem::path& folder) {
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) files.push_back(entry.path());
  return files;
}

std::string content(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

TEST(PipelineStoreTest, MakesEachPipelineOnce) {
  PipelineStore store(test::device(), "");
  const Pipeline& first = store.get(kernels::shader("swiglu"), kConstants, 0);
  EXPECT_EQ(first.name, "swiglu");
  EXPECT_EQ(&store.get(kernels::shader("swiglu"), kConstants, 0), &first);
  EXPECT_NE(store.get(kernels::shader("swiglu"), std::vector<uint32_t>{16}, 0).handle, first.handle);
  EXPECT_EQ(&store.get(kernels::shader("swiglu"), kConstants, 0), &first);
  store.save();  // nowhere to save to
}

TEST(PipelineStoreTest, KeepsTheCacheOnDisk) {
  const gguf::TemporaryFolder folder;
  const std::filesystem::path cache = folder.path() / "made" / "when needed";
  {
    PipelineStore store(test::device(), cache);
    store.get(kernels::shader("swiglu"), kConstants, 0);
    store.save();
  }
  std::vector<std::filesystem::path> files = files_in(cache);
  ASSERT_EQ(files.size(), 1U) << "one file, and no part of one";
  const std::string written = content(files[0]);
  ASSERT_GE(written.size(), 32U) << "the header that every driver's cache begins with";
  {
    PipelineStore store(test::device(), cache);
    store.get(kernels::shader("swiglu"), kConstants, 0);
    store.save();
  }
  EXPECT_EQ(files_in(cache), files);
}

TEST(PipelineStoreTest, ADamagedCacheIsNoError) {
  const gguf::TemporaryFolder folder;
  {
    PipelineStore store(test::device(), folder.path());
    store.get(kernels::shader("swiglu"), kConstants, 0);
    store.save();
  }
  const std::filesystem::path file = files_in(folder.path()).at(0);
  const std::string good = content(file);
  std::string other_driver = good;
  for (size_t i = 8; i < 32; ++i) other_driver[i] = static_cast<char>(~other_driver[i]);
  for (const std::string& damaged : {std::string(), std::string("x"), std::string(31, '\0'),
                                     std::string(4096, '\xFF'), good.substr(0, 16), other_driver}) {
    std::ofstream(file, std::ios::binary) << damaged;
    PipelineStore store(test::device(), folder.path());
    EXPECT_NE(store.get(kernels::shader("swiglu"), kConstants, 0).handle, VK_NULL_HANDLE);
    store.save();
  }
}

TEST(PipelineStoreTest, AFolderThatCannotBeMadeIsNoError) {
  const gguf::TemporaryFolder folder;
  PipelineStore store(test::device(), folder.write("a file", "in the way") / "cache");
  store.get(kernels::shader("swiglu"), kConstants, 0);
  store.save();
}

}  // namespace
}  // namespace caldera::vulkan
