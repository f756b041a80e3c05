// Reads in flight, every way, against the files' bytes; and files that change meanwhile.
#include "gguf/read_queue.hpp"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <map>
#include <memory>

#include "expect_error.hpp"
#include "gguf/read_backend.hpp"
#include "model_on_disk.hpp"

namespace caldera::gguf {
namespace {

using ::testing::AnyOf;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::StartsWith;

/// A buffer as requests want it.
class Buffer {
 public:
  explicit Buffer(uint64_t bytes)
      : bytes_(ReadQueue::buffer_bytes(bytes)),
        data_(static_cast<std::byte*>(std::aligned_alloc(ReadQueue::kAlignment, bytes_))) {}

  std::byte* data() const { return data_.get(); }
  uint64_t bytes() const { return bytes_; }

 private:
  struct Free {
    void operator()(std::byte* data) const { std::free(data); }
  };
  uint64_t bytes_;
  std::unique_ptr<std::byte, Free> data_;
};

bool has_uring() {
  std::string refusal;
  return make_uring_reads(4, refusal) != nullptr;
}

struct Setting {
  std::string name;
  ReadWay way;
  Caching caching;
  const char* folder;
};

void PrintTo(const Setting& setting, std::ostream* out) {
  *out << setting.name;
}

class ReadQueueTest : public ::testing::TestWithParam<Setting> {
 protected:
  void SetUp() override {
    // Containers forbid io_uring; the same tests then run by threads, which is what programs do there too.
    if (GetParam().way == ReadWay::kUring && !has_uring()) GTEST_SKIP() << "io_uring is refused here";
    if (!std::filesystem::is_directory(GetParam().folder)) GTEST_SKIP() << "no " << GetParam().folder;
  }
  ModelOnDisk model(uint32_t splits = 1) const { return ModelOnDisk(GetParam().folder, splits); }
  ReadQueue queue(const ModelOnDisk& model, uint32_t depth) const {
    return ReadQueue(model.file, depth, GetParam().way, GetParam().caching);
  }
};

void expect_bytes(const std::string& expected, std::span<const std::byte> data, const ReadRequest& request) {
  ASSERT_EQ(data.size(), request.bytes);
  EXPECT_EQ(data.data(), request.buffer + request.offset % ReadQueue::kAlignment);
  EXPECT_EQ(std::memcmp(data.data(), expected.data() + request.offset, data.size()), 0)
      << request.bytes << " bytes at " << request.offset << " of file " << request.file;
}

TEST_P(ReadQueueTest, ReadsWhatTheFilesHold) {
  for (const uint32_t splits : {1U, 3U}) {
    const ModelOnDisk files = model(splits);
    for (const uint32_t depth : {1U, 3U, 16U}) {
      ReadQueue reads = queue(files, depth);
      std::mt19937 random(depth);
      std::map<uint64_t, std::pair<ReadRequest, Buffer>> waiting;
      const auto receive = [&] {
        const ReadQueue::Done done = reads.wait();
        const auto at = waiting.find(done.tag);
        ASSERT_NE(at, waiting.end());
        const ReadRequest& request = at->second.first;
        expect_bytes(files.contents[request.file], done.data, request);
        waiting.erase(at);
      };
      for (uint64_t tag = 0; tag < 120; ++tag) {
        ReadRequest request{};
        request.tag = tag;
        request.file = static_cast<uint32_t>(random() % files.contents.size());
        const uint64_t size = files.contents[request.file].size();
        request.offset = random() % (size + 1);
        request.bytes = std::min<uint64_t>(size - request.offset, random() % (tag % 2 == 0 ? 9000 : 400000));
        if (tag % 7 == 0) request.bytes = size - request.offset;  // up to the end
        if (tag % 31 == 0) request.offset = 0, request.bytes = size;
        Buffer buffer(request.bytes);
        request.buffer = buffer.data();
        request.buffer_bytes = buffer.bytes();
        waiting.emplace(tag, std::pair(request, std::move(buffer)));
        reads.submit(request);
        ASSERT_EQ(reads.in_flight(), waiting.size());
        if (waiting.size() > depth + 2) receive();
      }
      while (reads.in_flight() > 0) receive();
      EXPECT_TRUE(waiting.empty());
    }
  }
}

TEST_P(ReadQueueTest, SaysHowItReads) {
  const ModelOnDisk files = model();
  const std::string description = queue(files, 8).description();
  EXPECT_THAT(description, StartsWith(GetParam().way == ReadWay::kUring ? "io_uring, " : "4 threads, "));
  // Where direct reads are asked for, a file system may refuse them.
  EXPECT_THAT(description, AnyOf(EndsWith("buffered"), EndsWith("direct")));
  if (GetParam().caching == Caching::kBuffered) {
    EXPECT_THAT(description, EndsWith("buffered"));
  }
}

TEST_P(ReadQueueTest, NamesWhatHasBecomeShorter) {
  const ModelOnDisk files = model();
  const uint64_t size = files.contents[0].size();
  Buffer first(size), second(size);
  for (const uint64_t left : {size - 5000, uint64_t{8192}}) {  // on no page, and on one
    ReadQueue reads = queue(files, 4);
    files.shorten(0, left);
    reads.submit({0, 100, size - 100, first.data(), first.bytes(), 1});
    expect_error(ErrorKind::kFile,
                 {files.file.paths()[0].string() + ": the file ends at byte " + std::to_string(left),
                  "shorter than the " + std::to_string(size) + " bytes", "do not change a model in use"},
                 [&] { reads.wait(); });
    // What is left can still be read, and what is wholly gone is an error too.
    const ReadRequest request{0, 5, 6000, second.data(), second.bytes(), 2};
    reads.submit(request);
    expect_bytes(files.contents[0], reads.wait().data, request);
    reads.submit({0, size - 100, 100, second.data(), second.bytes(), 3});
    expect_error(ErrorKind::kFile, {"shorter"}, [&] { reads.wait(); });
    EXPECT_EQ(reads.in_flight(), 0U);
  }
}

TEST_P(ReadQueueTest, EndsWithReadsInFlight) {
  const ModelOnDisk files = model();
  const uint64_t size = files.contents[0].size();
  for (int round = 0; round < 8; ++round) {
    std::vector<Buffer> buffers;
    for (int i = 0; i < 8; ++i) buffers.emplace_back(size);
    {
      ReadQueue reads = queue(files, 4);
      for (const Buffer& buffer : buffers) reads.submit({0, 0, size, buffer.data(), buffer.bytes(), 0});
      EXPECT_EQ(reads.in_flight(), 8U);
    }
    // Nothing writes into them any more.
    const std::vector<std::byte> zeros(size);
    for (const Buffer& buffer : buffers) std::memset(buffer.data(), 0, size);
    for (const Buffer& buffer : buffers) EXPECT_EQ(std::memcmp(buffer.data(), zeros.data(), size), 0);
  }
}

TEST_P(ReadQueueTest, ReportsTheSystemsRefusal) {
  const ModelOnDisk files = model();
  void* const none = ::mmap(nullptr, 1 << 20, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  ASSERT_NE(none, MAP_FAILED);
  ReadQueue reads = queue(files, 4);
  reads.submit({0, 10, 5000, static_cast<std::byte*>(none), 1 << 20, 0});
  expect_error(ErrorKind::kFile,
               {files.file.paths()[0].string(), "5000 bytes from byte 10 at byte 10 failed", "Bad address"},
               [&] { reads.wait(); });
  ::munmap(none, 1 << 20);
}

TEST_P(ReadQueueTest, RefusesImpossibleRequests) {
  const ModelOnDisk files = model();
  const uint64_t size = files.contents[0].size();
  const Buffer buffer(size);
  ReadQueue reads = queue(files, 2);
  for (const ReadRequest& request : {
           ReadRequest{1, 0, 1, buffer.data(), buffer.bytes(), 0},           // no such file
           ReadRequest{0, size, 1, buffer.data(), buffer.bytes(), 0},        // past the end
           ReadRequest{0, 1, size, buffer.data(), buffer.bytes(), 0},        //
           ReadRequest{0, 1, UINT64_MAX, buffer.data(), buffer.bytes(), 0},  //
           ReadRequest{0, UINT64_MAX, 1, buffer.data(), buffer.bytes(), 0},  //
           ReadRequest{0, 0, 100, buffer.data() + 1, 8192, 0},               // misaligned
           ReadRequest{0, 4095, 2, buffer.data(), 4096, 0},                  // two pages
       }) {
    expect_error(ErrorKind::kInternal, {}, [&] { reads.submit(request); });
  }
  EXPECT_EQ(reads.in_flight(), 0U);
  expect_error(ErrorKind::kInternal, {"no read in flight"}, [&] { reads.wait(); });
  reads.submit({0, size, 0, nullptr, 0, 77});  // nothing is not too much
  EXPECT_EQ(reads.wait().tag, 77U);
  expect_error(ErrorKind::kInternal, {"reads in flight"}, [&] { queue(files, 0); });
  expect_error(ErrorKind::kInternal, {"reads in flight"}, [&] { queue(files, ReadQueue::kMaxDepth + 1); });
}

std::vector<Setting> settings() {
  std::vector<Setting> all;
  static const std::string disk = std::filesystem::temp_directory_path();
  for (const auto& [way, way_name] : {std::pair(ReadWay::kUring, "Uring"), {ReadWay::kThreads, "Threads"}}) {
    for (const auto& [caching, caching_name] : {std::pair(Caching::kDirect, "Direct"),
                                                {Caching::kBuffered, "Buffered"},
                                                {Caching::kAuto, "Auto"}}) {
      all.push_back({std::string(way_name) + caching_name + "Disk", way, caching, disk.c_str()});
      all.push_back({std::string(way_name) + caching_name + "Tmpfs", way, caching, "/dev/shm"});
    }
  }
  return all;
}

INSTANTIATE_TEST_SUITE_P(, ReadQueueTest, ::testing::ValuesIn(settings()),
                         [](const auto& setting) { return setting.param.name; });

TEST(ReadQueue, BuffersHoldTheWorstAlignment) {
  for (const uint64_t bytes : {1, 2, 4095, 4096, 4097, 8191, 8192, 8193}) {
    uint64_t worst = 0;
    for (uint64_t offset = 0; offset < 4096; ++offset)
      worst = std::max(worst, (offset + bytes + 4095) / 4096 * 4096);
    EXPECT_EQ(ReadQueue::buffer_bytes(bytes), worst) << bytes;
  }
}

TEST(ReadQueue, UsesThePageCacheForWhatItHolds) {
  const ModelOnDisk model;  // just written and read
  const InputFile& input = model.file.input(0);
  // On tmpfs, say, there is only the cache, and some file systems refuse O_DIRECT.
  if (!input.in_page_cache() || !input.open_direct()) GTEST_SKIP() << "this file system has no such choice";
  EXPECT_THAT(ReadQueue(model.file, 2).description(), EndsWith(", buffered"));
  ::fsync(input.descriptor());
  ::posix_fadvise(input.descriptor(), 0, 0, POSIX_FADV_DONTNEED);
  if (input.in_page_cache()) GTEST_SKIP() << "the page cache keeps the file";
  EXPECT_THAT(ReadQueue(model.file, 2).description(), EndsWith(", direct"));
}

TEST(ReadQueue, ReadsFileSystemsInMemoryAsTheCacheTheyAre) {
  // Only Linux systems without it, such as bare containers; that files are read at all is tested above.
  if (!std::filesystem::is_directory("/dev/shm")) GTEST_SKIP() << "no /dev/shm";
  const ModelOnDisk model("/dev/shm");
  EXPECT_THAT(ReadQueue(model.file, 2).description(), EndsWith(", buffered"));
}

/// Lets this process make no ring, as containers do: io_uring_setup fails with this errno.
void forbid_uring(uint32_t code) {
  sock_filter filter[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_io_uring_setup, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | code),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  const sock_fprog program{4, filter};
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
      ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0) {
    std::exit(3);
  }
}

TEST(ReadQueueDeathTest, ReadsWithThreadsWhereUringIsRefused) {
  const ModelOnDisk model;
  for (const uint32_t code : {EPERM, ENOSYS}) {
    const auto read = [&] {
      forbid_uring(code);
      try {
        ReadQueue(model.file, 4, ReadWay::kUring);
        std::exit(1);
      } catch (const Error& error) {
        std::fprintf(stderr, "%s\n", error.what());
      }
      ReadQueue reads(model.file, 4);
      if (!reads.description().starts_with("4 threads, ")) std::exit(2);
      const Buffer buffer(10000);
      reads.submit({0, 77, 10000, buffer.data(), buffer.bytes(), 0});
      std::exit(std::memcmp(reads.wait().data.data(), model.contents[0].data() + 77, 10000) == 0 ? 0 : 4);
    };
    EXPECT_EXIT(read(), ::testing::ExitedWithCode(0), "io_uring cannot be used: ");
  }
}

TEST(FileIdentity, NamesTensorAndByteOfAChange) {
  const ModelOnDisk model({std::filesystem::temp_directory_path()}, 2);
  const Tensor& first = model.file.tensors().front();
  const Tensor& last = model.file.tensors().back();
  ASSERT_NE(first.file, last.file);
  EXPECT_NO_THROW(model.file.demand_unchanged(last, 0));
  model.change(last.file);
  EXPECT_NO_THROW(model.file.demand_unchanged(first, 0));
  expect_error(ErrorKind::kFile,
               {model.file.paths()[last.file].string() +
                " changed while tensor 'tensor100003' was read at byte 4711; do not change a model in use"},
               [&] { model.file.demand_unchanged(last, 4711); });
  model.shorten(first.file, 5000);
  expect_error(ErrorKind::kFile, {"changed while tensor 'tensor262144'"},
               [&] { model.file.demand_unchanged(first, 0); });
}

}  // namespace
}  // namespace caldera::gguf
