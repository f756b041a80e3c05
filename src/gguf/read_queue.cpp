#include "gguf/read_queue.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <cerrno>

#include "gguf/printable.hpp"
#include "gguf/read_backend.hpp"

namespace caldera::gguf {
namespace {

/// Bytes of one call; Linux reads at most 2 GiB less a page.
constexpr uint64_t kMostBytes = uint64_t{1} << 30;
/// How often a read that the system puts off (EAGAIN, EINTR) is asked for again.
constexpr uint32_t kMostDelays = 1000;

constexpr uint64_t align_down(uint64_t offset) {
  return offset / ReadQueue::kAlignment * ReadQueue::kAlignment;
}
constexpr uint64_t align_up(uint64_t offset) {
  return align_down(offset + ReadQueue::kAlignment - 1);
}

std::unique_ptr<ReadBackend> make_backend(uint32_t depth, ReadWay way) {
  if (depth == 0 || depth > ReadQueue::kMaxDepth) {
    throw Error(ErrorKind::kInternal, fmt::format("{} reads in flight were asked for, 1 to {} can be", depth,
                                                  ReadQueue::kMaxDepth));
  }
  if (way != ReadWay::kThreads) {
    std::string refusal;
    if (auto uring = make_uring_reads(depth, refusal)) return uring;
    if (way == ReadWay::kUring) {
      throw Error(ErrorKind::kFile,
                  fmt::format("io_uring cannot be used: {}; read with threads instead", refusal));
    }
  }
  return make_thread_reads(depth);
}

/// Whether a direct read that failed so may succeed through the page cache: the file system refuses direct
/// reads or their alignment, or the buffer is a device's memory, whose pages cannot be handed to the disk.
bool refuses_direct(int64_t result) {
  return result == -EINVAL || result == -EOPNOTSUPP || result == -EFAULT;
}

/// What a request reads, for an error: the tensor that it lies in, or a range of the file.
std::string name_of(const File& file, const ReadRequest& request) {
  for (const Tensor& tensor : file.tensors()) {
    if (tensor.file == request.file && request.offset >= tensor.offset &&
        request.offset - tensor.offset < tensor.bytes) {
      return "tensor " + quote(tensor.name);
    }
  }
  return fmt::format("{} bytes from byte {}", request.bytes, request.offset);
}

}  // namespace

ReadQueue::ReadQueue(const File& file, uint32_t depth, ReadWay way, Caching caching)
    : file_(file), backend_(make_backend(depth, way)) {
  for (uint32_t i = 0; i < file.paths().size(); ++i) {
    const InputFile& input = file.input(i);
    const bool direct = caching == Caching::kDirect || (caching == Caching::kAuto && !input.in_page_cache());
    Descriptor descriptor = direct ? input.open_direct() : Descriptor();
    const bool opened = static_cast<bool>(descriptor);
    sources_.push_back({&input, std::move(descriptor), opened});
  }
  slots_.resize(depth);
  for (uint32_t i = 0; i < depth; ++i) free_.push_back(depth - 1 - i);
}

ReadQueue::~ReadQueue() {
  // A backend that cannot even wait ends the program here: the system might still write into the buffers.
  for (; active_ > 0; --active_) backend_->finish();
}

void ReadQueue::submit(const ReadRequest& request) {
  if (request.file >= sources_.size()) {
    throw Error(ErrorKind::kInternal,
                fmt::format("there is no file {} in a set of {}", request.file, sources_.size()));
  }
  const InputFile& input = *sources_[request.file].input;
  if (request.offset > input.size() || request.bytes > input.size() - request.offset) {
    throw Error(ErrorKind::kInternal,
                fmt::format("{} bytes at {} do not lie in {}, which has {}", request.bytes, request.offset,
                            input.path().string(), input.size()));
  }
  if (request.bytes == 0) {
    ready_.push_back({{request.tag, {}}, std::nullopt});
    return;
  }
  // The same room is demanded of buffered reads, so that a caller's mistake shows on every machine.
  const uint64_t room = align_up(request.offset + request.bytes) - align_down(request.offset);
  if (reinterpret_cast<uintptr_t>(request.buffer) % kAlignment != 0 || request.buffer_bytes < room) {
    throw Error(ErrorKind::kInternal,
                fmt::format("a read of {} bytes at {} needs a buffer of {} bytes aligned to {}",
                            request.bytes, request.offset, room, kAlignment));
  }
  while (free_.empty()) finish_one();
  const uint32_t index = free_.back();
  slots_[index] = {request, 0, 0, false, 0};
  begin(slots_[index], sources_[request.file].use_direct);
  start(index);
  free_.pop_back();
  ++active_;
}

ReadQueue::Done ReadQueue::wait() {
  if (in_flight() == 0) throw Error(ErrorKind::kInternal, "there is no read in flight to wait for");
  while (ready_.empty()) finish_one();
  const Ready ready = std::move(ready_.front());
  ready_.pop_front();
  if (ready.error) throw *ready.error;
  return ready.done;
}

std::string ReadQueue::description() const {
  const auto direct =
      std::count_if(sources_.begin(), sources_.end(), [](const Source& s) { return s.use_direct; });
  const char* caching = direct == 0                                       ? "buffered"
                        : direct == static_cast<int64_t>(sources_.size()) ? "direct"
                                                                          : "direct and buffered";
  return backend_->name() + ", " + caching;
}

/// Sets what remains to be read: from where a direct read came to, or all.
void ReadQueue::begin(Slot& slot, bool direct) {
  const uint64_t first = slot.request.offset;
  const uint64_t last = first + slot.request.bytes;
  slot.direct = direct;
  slot.at = direct ? align_down(first) : std::max(first, slot.at);
  slot.end = direct ? align_up(last) : last;
}

uint32_t ReadQueue::bytes_asked(const Slot& slot) const {
  return static_cast<uint32_t>(std::min(slot.end - slot.at, kMostBytes));
}

void ReadQueue::start(uint32_t index) {
  const Slot& slot = slots_[index];
  const Source& source = sources_[slot.request.file];
  backend_->start({index, slot.direct ? source.direct.number() : source.input->descriptor(), slot.direct,
                   slot.at, slot.request.buffer + (slot.at - align_down(slot.request.offset)),
                   bytes_asked(slot)});
}

/// Takes one result from the backend: the read goes on, or is ready.
void ReadQueue::finish_one() {
  const ReadResult result = backend_->finish();
  Slot& slot = slots_[result.slot];
  bool finished = false;
  std::optional<Error> error = advance(slot, result.result, finished);
  if (!error && !finished) {
    try {
      start(result.slot);
      return;
    } catch (const Error& refused) {
      error = refused;
    }
  }
  const ReadRequest& request = slot.request;
  const std::byte* data = request.buffer + request.offset % kAlignment;
  ready_.push_back({{request.tag, {data, static_cast<size_t>(request.bytes)}}, std::move(error)});
  free_.push_back(result.slot);
  --active_;
}

/// What a result means for its read: an error, all that was asked, or (neither) that it must go on from where
/// it is.
std::optional<Error> ReadQueue::advance(Slot& slot, int64_t result, bool& finished) {
  Source& source = sources_[slot.request.file];
  const ReadRequest& request = slot.request;
  const auto what = [&] { return name_of(file_, request); };
  if (result == -EINTR || result == -EAGAIN) {
    if (++slot.delays < kMostDelays) return std::nullopt;
    return source.input->read_failed(slot.at, what(), static_cast<int>(-result));
  }
  if (slot.direct && refuses_direct(result)) {
    source.use_direct = false;
    begin(slot, false);
    return std::nullopt;
  }
  if (result < 0) return source.input->read_failed(slot.at, what(), static_cast<int>(-result));
  if (result == 0) return source.input->became_shorter(std::max(slot.at, request.offset), what());
  const bool cut_short = result < int64_t{bytes_asked(slot)};
  slot.at += static_cast<uint64_t>(result);
  finished = slot.at >= request.offset + request.bytes;
  // A direct read may only go on from an aligned byte, and is cut short by little else than the end of a
  // file.
  if (!finished && slot.direct && cut_short) begin(slot, false);
  return std::nullopt;
}

}  // namespace caldera::gguf
