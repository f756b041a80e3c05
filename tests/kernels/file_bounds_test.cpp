// Kernels that read the file's layout load nothing beyond the words that a tensor lies in. On a software
// device whose addresses are the host's, tensors are put against pages that may not be touched: a load beyond
// ends the program with SIGSEGV.
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include "caldera/error.hpp"
#include "kernels/each_storage.hpp"
#include "kernels/kernel_test.hpp"

namespace caldera::kernels {
namespace {

/// Whole pages for `bytes` bytes, with a page that may not be touched before and behind.
class GuardedPages {
 public:
  explicit GuardedPages(size_t bytes) : page_(static_cast<size_t>(sysconf(_SC_PAGESIZE))) {
    held_ = (bytes + page_ - 1) / page_ * page_;
    void* mapped = mmap(nullptr, held_ + 2 * page_, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (mapped == MAP_FAILED) throw std::bad_alloc();
    start_ = static_cast<std::byte*>(mapped) + page_;
    if (mprotect(start_, held_, PROT_READ | PROT_WRITE) != 0) throw std::bad_alloc();
  }
  ~GuardedPages() { munmap(start_ - page_, held_ + 2 * page_); }
  GuardedPages(const GuardedPages&) = delete;
  GuardedPages& operator=(const GuardedPages&) = delete;

  std::byte* start() const { return start_; }
  std::byte* end() const { return start_ + held_; }

 private:
  size_t page_;
  size_t held_ = 0;
  std::byte* start_ = nullptr;
};

/// Whether the device reads the host's memory by the host's addresses, as Mesa's software device does.
bool reads_host_addresses() {
  const DeviceArray<float> array(16, vulkan::Residency::kHostWrite);
  return test::device().physical().type == VK_PHYSICAL_DEVICE_TYPE_CPU &&
         array.address() == reinterpret_cast<uintptr_t>(array.memory().host());
}

/// Reads every row of a tensor at `address` and compares it with `values`.
void check_rows(Matrix matrix, uint64_t address, const std::vector<double>& values) {
  matrix.segments = {{address, 0, matrix.rows}};
  const DeviceArray<float> rows = untouched(values.size());
  std::vector<Entry> tokens;
  for (uint32_t r = 0; r < matrix.rows; ++r) tokens.push_back({r, 0, 0, 0});
  run(Embed{&matrix, rows.range()}, TestBatch(tokens), {matrix.rows});
  const std::vector<float> got = rows.get();
  for (size_t i = 0; i < values.size(); ++i) ASSERT_NEAR(got[i], values[i], 8 * 0x1p-23) << i;

  const DeviceArray<float> x(std::vector<float>(size_t{kMaxVectorColumns} * matrix.columns, 1));
  const DeviceArray<float> out = untouched(matrix.rows);
  run(Product{&matrix, x.range(), out.range(), matrix.rows, 0, 0, Epilogue::kStore, Count::kTokens},
      TestBatch::of(1), {1});
  for (const float sum : out.get()) ASSERT_NE(sum, kUntouched);
}

class FileBoundsTest : public ::testing::TestWithParam<quant::FormatInfo> {};

TEST_P(FileBoundsTest, LoadsStayInTheTensorsWords) {
  // A GPU sees none of the test's guard pages; software devices, on which all of this runs, see them.
  if (!reads_host_addresses()) GTEST_SKIP() << "the device does not read the host's memory by its addresses";
  const quant::Format format = GetParam().format;
  Matrix matrix;
  matrix.format = format;
  matrix.storage = Storage::kFile;
  matrix.columns = std::max(GetParam().block_elements, quant::kUnit);
  matrix.layout = quant::file_layout(format, matrix.columns);
  // Numbers of rows with which a tensor that begins at a multiple of 32 ends on the last or the middle of a
  // word.
  for (uint32_t rows = 1; rows <= 32; ++rows) {
    const size_t bytes = size_t{rows} * matrix.layout.row_bytes;
    const size_t words = (bytes + 3) / 4 * 4;
    if (words % 32 != 0) continue;
    SCOPED_TRACE(::testing::Message() << rows << " rows, " << bytes << " bytes");
    matrix.rows = rows;
    const size_t elements = size_t{rows} * matrix.columns;
    std::vector<std::byte> file(bytes);
    quant::encode(format, test::uniforms(elements, rows), file);
    std::vector<double> values(elements);
    quant::decode(format, file, std::span<double>(values));
    const GuardedPages pages(bytes);
    for (std::byte* at : {pages.start(), pages.end() - words}) {
      std::copy(file.begin(), file.end(), at);
      check_rows(matrix, reinterpret_cast<uintptr_t>(at), values);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(, FileBoundsTest, quant::every_format(), quant::format_name);

TEST(FileAlignmentTest, MisalignedWeightsAreRefused) {
  const TestMatrix weights(quant::Format::kQ4_K, Storage::kFile, 256, {4}, 1);
  Matrix moved = weights.get();
  moved.segments[0].address += 2;
  const DeviceArray<float> x(size_t{8} * 256);
  const DeviceArray<float> out(4);
  const Product product{&moved, x.range(), out.range(), 4, 0, 0, Epilogue::kStore, Count::kTokens};
  EXPECT_THROW(run(product, TestBatch::of(1), {1}), Error);
}

}  // namespace
}  // namespace caldera::kernels
