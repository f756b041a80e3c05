// How many reads are kept in flight: by io_uring, or by threads where the system refuses it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

namespace caldera::gguf {

/// One call of the system.
struct ReadOperation {
  uint32_t slot;  ///< the caller's, returned with the result
  int descriptor;
  bool direct;  ///< the descriptor reads past the page cache
  uint64_t offset;
  std::byte* buffer;
  uint32_t bytes;
};

struct ReadResult {
  uint32_t slot;
  int64_t result;  ///< bytes read, fewer than asked at the file's end, or a negative errno
};

class ReadBackend {
 public:
  virtual ~ReadBackend() = default;
  /// Starts a read; at most as many as the backend was made for may be in flight.
  virtual void start(const ReadOperation& operation) = 0;
  /// Waits until a read is finished; one must be in flight.
  virtual ReadResult finish() = 0;
  virtual std::string name() const = 0;
};

/// io_uring (Linux 5.6, https://kernel.dk/io_uring.pdf), or null with the reason in `refusal`: containers
/// often forbid it, and it may have been left out of the build.
std::unique_ptr<ReadBackend> make_uring_reads(uint32_t depth, std::string& refusal);

/// A few threads, each with a blocking read at a time. Errors: kMemory, when the system gives not even one.
std::unique_ptr<ReadBackend> make_thread_reads(uint32_t depth);

}  // namespace caldera::gguf
