// Many reads of a model's files in flight, into buffers of the caller's: what a fast disk needs to be fast.
//
// Reads go past the page cache (O_DIRECT) where the file system allows it and the cache does not hold the
// file already: a model larger than half of the memory would only push everything else out, and be copied
// twice.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "caldera/error.hpp"
#include "gguf/file.hpp"
#include "gguf/input_file.hpp"

namespace caldera::gguf {

class ReadBackend;  // read_backend.hpp

/// A range of one file, and where it is wanted.
struct ReadRequest {
  uint32_t file;          ///< index into File::paths()
  uint64_t offset;        ///< bytes from the start of that file
  uint64_t bytes;         ///< offset + bytes must lie within the file
  std::byte* buffer;      ///< aligned to ReadQueue::kAlignment
  uint64_t buffer_bytes;  ///< ReadQueue::buffer_bytes(bytes), or what the aligned range around it needs
  uint64_t tag;           ///< the caller's; returned with the data
};

/// Who waits for the disk: the kernel, or threads of ours. kAuto takes the first that is there.
enum class ReadWay { kAuto, kUring, kThreads };
/// Whether the page cache is used: kAuto uses it for files that it holds already.
enum class Caching { kAuto, kDirect, kBuffered };

/// One thread uses a queue. `file` must outlive it.
class ReadQueue {
 public:
  /// Alignment of buffers; no disk or file system in use asks direct reads for more.
  static constexpr uint64_t kAlignment = 4096;
  static constexpr uint32_t kMaxDepth = 256;

  /// `depth`: how many reads may be in flight, 1 to kMaxDepth. Errors: kFile, when kUring is demanded and
  /// refused; kMemory, when not even a thread can be had.
  ReadQueue(const File& file, uint32_t depth, ReadWay way = ReadWay::kAuto, Caching caching = Caching::kAuto);
  ReadQueue(const ReadQueue&) = delete;
  ReadQueue& operator=(const ReadQueue&) = delete;
  /// Waits for what is in flight: afterwards buffers may be freed.
  ~ReadQueue();

  /// Starts a read. Waits for another to finish first where `depth` are in flight; that one is kept for
  /// wait(). Errors: kInternal, for a range outside the file or a buffer that cannot take it; kFile, when the
  /// system takes no more reads. A read that fails later is wait()'s error.
  void submit(const ReadRequest& request);

  struct Done {
    uint64_t tag;
    std::span<const std::byte>
        data;  ///< in the request's buffer, as far from its start as the alignment demands
  };
  /// Waits for a read to finish, in any order. Errors: kFile with path, tensor, byte and the system's reason,
  /// or that the file has become shorter; the failed read is then done with, and its buffer free. kInternal,
  /// when none is in flight.
  Done wait();

  /// Reads submitted and not yet returned by wait().
  uint32_t in_flight() const { return active_ + static_cast<uint32_t>(ready_.size()); }

  /// How it reads, such as "io_uring, direct" or "4 threads, buffered".
  std::string description() const;

  /// The room that a request of `bytes` needs wherever it starts, a multiple of kAlignment.
  static constexpr uint64_t buffer_bytes(uint64_t bytes) {
    return (bytes + 2 * (kAlignment - 1)) / kAlignment * kAlignment;
  }

 private:
  /// A file of the set; `direct` is empty where reads of it are buffered.
  struct Source {
    const InputFile* input;
    Descriptor direct;
    bool use_direct;  ///< false once a direct read was refused; others may still be in flight
  };
  /// A read in flight. It has got as far as `at` and asks for all up to `end`.
  struct Slot {
    ReadRequest request;
    uint64_t at;
    uint64_t end;
    bool direct;
    uint32_t delays;
  };
  struct Ready {
    Done done;
    std::optional<Error> error;
  };

  void begin(Slot& slot, bool direct);
  uint32_t bytes_asked(const Slot& slot) const;
  void start(uint32_t index);
  void finish_one();
  std::optional<Error> advance(Slot& slot, int64_t result, bool& finished);

  const File& file_;
  std::vector<Source> sources_;
  std::vector<Slot> slots_;
  std::vector<uint32_t> free_;  ///< indices into slots_
  std::deque<Ready> ready_;
  uint32_t active_ = 0;  ///< reads that the backend has
  std::unique_ptr<ReadBackend> backend_;
};

}  // namespace caldera::gguf
