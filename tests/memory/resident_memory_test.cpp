// What a process holds of RAM while it loads a model of 4 GiB, and what a second process of the same model
// adds. The page cache belongs to the system, not to the process, and is not counted.
#include <gtest/gtest.h>

#include <cstdio>
#include <filesystem>
#include <memory>
#include <string>

#include "gguf/temporary_folder.hpp"
#include "memory/holder.hpp"
#include "memory/process_memory.hpp"
#include "memory/synthetic_file.hpp"

namespace caldera::test {
namespace {

constexpr double kGiB = 0x1p30;

/// 4.03 GiB in Q8_0; its largest matrix is 0.9 % of it.
constexpr SyntheticFile kLarge{
    .layers = 67, .width = 2048, .heads = 32, .kv_heads = 8, .head = 64, .ffn = 8192};

class ResidentMemory : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    const auto disk =
        static_cast<double>(std::filesystem::space(std::filesystem::temp_directory_path()).available);
    const auto ram = static_cast<double>(free_ram());
    if (disk < 10 * kGiB || ram < 8 * kGiB) {
      // A machine that swaps would be measured, not the loader. Every machine that runs all checks has this
      // much.
      lacking_ = "this needs 10 GiB of disk and 8 GiB of RAM that nobody uses";
      return;
    }
    folder_ = std::make_unique<gguf::TemporaryFolder>();
    file_ = write_synthetic(kLarge, folder_->path() / "large.gguf");
    bytes_ = static_cast<double>(std::filesystem::file_size(file_));
  }
  static void TearDownTestSuite() { folder_.reset(); }

  void SetUp() override {
    if (!lacking_.empty()) GTEST_SKIP() << lacking_;
    ASSERT_GE(bytes_, 4 * kGiB);
  }

  /// What the model says when copied, for the other way to say too.
  static std::string& said() {
    static std::string text;
    return text;
  }

  static std::string lacking_;
  static std::unique_ptr<gguf::TemporaryFolder> folder_;
  static std::filesystem::path file_;
  static double bytes_;
};

std::string ResidentMemory::lacking_;
std::unique_ptr<gguf::TemporaryFolder> ResidentMemory::folder_;
std::filesystem::path ResidentMemory::file_;
double ResidentMemory::bytes_ = 0;

TEST_F(ResidentMemory, OfACopyIsTheModelAndALittle) {
  Holder holder(file_, "copy");
  said() = holder.wait_until_ready();
  ASSERT_NE(said(), "");
  const auto peak = static_cast<double>(holder.peak());
  std::printf("model %.2f GiB; peak of a copying load %.2f GiB (model and %.2f)\n", bytes_ / kGiB,
              peak / kGiB, (peak - bytes_) / kGiB);
  EXPECT_GT(peak, bytes_) << "the software device's memory is this process's";
  EXPECT_LE(peak, bytes_ + 1.2 * kGiB);
}

TEST_F(ResidentMemory, OfASecondImportIsAFewPercent) {
  Holder first(file_, "import");
  const std::string first_said = first.wait_until_ready();
  Holder second(file_, "import");
  const std::string second_said = second.wait_until_ready();
  ASSERT_NE(second_said, "");
  EXPECT_EQ(first_said, said());
  EXPECT_EQ(second_said, said());
  const ProcessMemory memory = second.memory();
  const auto added = static_cast<double>(memory.private_pages);
  std::printf(
      "of the second import %.2f GiB lie in the file, %.2f GiB (%.1f %% of the model) are its own; its peak "
      "%.2f GiB\n",
      static_cast<double>(memory.file) / kGiB, added / kGiB, 100 * added / bytes_,
      static_cast<double>(second.peak()) / kGiB);
  EXPECT_GT(static_cast<double>(memory.file), 0.95 * bytes_) << "the device reads the file itself";
  EXPECT_LT(added, 0.1 * bytes_);
  EXPECT_LT(static_cast<double>(second.peak()), 0.1 * bytes_);
}

}  // namespace
}  // namespace caldera::test
