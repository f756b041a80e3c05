#include <fmt/core.h>
#include <liburing.h>

#include <cerrno>
#include <thread>

#include "caldera/error.hpp"
#include "gguf/read_backend.hpp"
#include "gguf/system_message.hpp"

namespace caldera::gguf {
namespace {

/// How often a ring that says it is short of memory or room is asked again.
constexpr int kAttempts = 1000;

class UringReads : public ReadBackend {
 public:
  UringReads() = default;
  UringReads(const UringReads&) = delete;
  UringReads& operator=(const UringReads&) = delete;
  ~UringReads() override {
    if (open_) io_uring_queue_exit(&ring_);
  }

  /// 0, or the negative errno with which the system refuses the ring or what is needed of it.
  int open(uint32_t depth) {
    if (const int code = io_uring_queue_init(depth, &ring_, 0); code < 0) return code;
    open_ = true;
    io_uring_probe* const probe = io_uring_get_probe_ring(&ring_);
    const bool reads = probe != nullptr && io_uring_opcode_supported(probe, IORING_OP_READ) != 0;
    io_uring_free_probe(probe);
    if (!reads) return -EOPNOTSUPP;
    // A filter of system calls may allow a ring to be made, and then not to be used.
    io_uring_prep_nop(io_uring_get_sqe(&ring_));
    if (const int code = submit(); code < 0) return code;
    ReadResult nothing{};
    return next(nothing);
  }

  void start(const ReadOperation& operation) override {
    io_uring_sqe* const entry = broken_ ? nullptr : io_uring_get_sqe(&ring_);
    if (entry == nullptr) {
      throw Error(ErrorKind::kInternal, "more reads were started than the ring has room for");
    }
    io_uring_prep_read(entry, operation.descriptor, operation.buffer, operation.bytes, operation.offset);
    // Copies out of the page cache are made by the kernel's workers, several at a time; else this thread
    // would make them one by one while it submits.
    if (!operation.direct) entry->flags |= IOSQE_ASYNC;
    io_uring_sqe_set_data64(entry, operation.slot);
    if (const int code = submit(); code < 0) {
      broken_ = true;  // the entry stays in the ring and must never reach the kernel: its buffer may be gone
      throw Error(ErrorKind::kFile, fmt::format("io_uring takes no more reads: {}", system_message(-code)));
    }
  }

  ReadResult finish() override {
    ReadResult result{};
    if (const int code = next(result); code < 0) {
      throw Error(ErrorKind::kFile, fmt::format("io_uring returns no reads: {}", system_message(-code)));
    }
    return result;
  }

  std::string name() const override { return "io_uring"; }

 private:
  int submit() {
    int code = 0;
    for (int attempt = 0; attempt < kAttempts; ++attempt) {
      code = io_uring_submit(&ring_);
      if (code != -EINTR && code != -EAGAIN && code != -EBUSY) break;
      std::this_thread::yield();
    }
    return code;
  }

  int next(ReadResult& result) {
    io_uring_cqe* entry = nullptr;
    int code = 0;
    do {
      code = io_uring_wait_cqe(&ring_, &entry);
    } while (code == -EINTR);
    if (code < 0) return code;
    result = {static_cast<uint32_t>(io_uring_cqe_get_data64(entry)), entry->res};
    io_uring_cqe_seen(&ring_, entry);
    return 0;
  }

  io_uring ring_{};
  bool open_ = false;
  bool broken_ = false;
};

}  // namespace

std::unique_ptr<ReadBackend> make_uring_reads(uint32_t depth, std::string& refusal) {
  auto reads = std::make_unique<UringReads>();
  const int code = reads->open(depth);
  if (code == 0) return reads;
  refusal = system_message(-code);
  return nullptr;
}

}  // namespace caldera::gguf
