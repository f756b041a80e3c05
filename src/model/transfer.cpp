#include "model/transfer.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <condition_variable>
#include <cstring>
#include <deque>
#include <exception>
#include <memory>
#include <mutex>
#include <system_error>
#include <thread>
#include <tuple>

#include "caldera/error.hpp"
#include "gguf/read_queue.hpp"
#include "plan/footprint.hpp"

namespace caldera::model {
namespace {

/// What is read of a tensor at a time: long enough for a disk to be fast, short enough that repacked rows
/// stay in a core's cache until they are written out.
constexpr uint64_t kPieceBytes = uint64_t{2} << 20;
constexpr uint32_t kMaxWorkers = 16;

uint64_t file_row_bytes(const gguf::Tensor& tensor) {
  return quant::bytes_for(tensor.format(), tensor.columns());
}

/// A few rows of a transfer: what one worker repacks at a time.
struct Piece {
  const Transfer* transfer;
  uint64_t first_row;  ///< of the transfer
  uint64_t rows;
  uint32_t waiting = 0;                          ///< reads that have not come back
  std::vector<uint32_t> slots;                   ///< of the ring, one a source
  std::vector<std::span<const std::byte>> data;  ///< one a source

  uint64_t source_rows() const { return rows / transfer->sources.size(); }
  /// Where the rows of source `s` begin in its tensor, in bytes.
  uint64_t tensor_offset(size_t s) const {
    const Transfer::Source& source = transfer->sources[s];
    return (source.first_row + first_row / transfer->sources.size()) * file_row_bytes(*source.tensor);
  }
};

std::vector<Piece> cut(const std::vector<Transfer>& transfers) {
  std::vector<Piece> pieces;
  for (const Transfer& transfer : transfers) {
    const uint64_t sources = transfer.sources.size();
    const uint64_t row_bytes = file_row_bytes(*transfer.sources[0].tensor);
    const uint64_t step = std::max<uint64_t>(kPieceBytes / row_bytes, 1) * sources;
    for (uint64_t row = 0; row < transfer.rows; row += step) {
      pieces.push_back({&transfer, row, std::min(step, transfer.rows - row), 0, {}, {}});
    }
  }
  return pieces;
}

/// Host memory that reads land in, in slots of one size. Slots come back from other threads.
class Ring {
 public:
  Ring(uint32_t slots, uint64_t slot_bytes)
      : slot_bytes_(slot_bytes),
        memory_(static_cast<std::byte*>(
            ::operator new (slots* slot_bytes, std::align_val_t{gguf::ReadQueue::kAlignment}))) {
    for (uint32_t i = slots; i-- > 0;) free_.push_back(i);
  }

  uint64_t slot_bytes() const { return slot_bytes_; }
  std::byte* slot(uint32_t index) const { return memory_.get() + index * slot_bytes_; }
  /// All of `count` slots, or none.
  std::vector<uint32_t> take(size_t count) {
    const std::scoped_lock lock(mutex_);
    std::vector<uint32_t> taken;
    if (free_.size() < count) return taken;
    for (; taken.size() < count; free_.pop_back()) taken.push_back(free_.back());
    return taken;
  }
  void give_back(const std::vector<uint32_t>& slots) {
    const std::scoped_lock lock(mutex_);
    free_.insert(free_.end(), slots.begin(), slots.end());
  }

 private:
  struct Free {
    void operator()(std::byte* memory) const {
      ::operator delete (memory, std::align_val_t{gguf::ReadQueue::kAlignment});
    }
  };
  uint64_t slot_bytes_;
  std::unique_ptr<std::byte, Free> memory_;
  std::vector<uint32_t> free_;
  std::mutex mutex_;
};

/// Threads that repack pieces and write them to where they belong.
class Workers {
 public:
  Workers(const gguf::File& file, vulkan::Device& device, const std::vector<vulkan::Allocation>& memory,
          Ring* ring)
      : file_(file), device_(device), memory_(memory), ring_(ring) {
    const uint32_t count = std::clamp(std::thread::hardware_concurrency(), 1U, kMaxWorkers);
    threads_.reserve(count);
    try {
      for (uint32_t i = 0; i < count; ++i) threads_.emplace_back([this] { work(); });
    } catch (const std::system_error&) {
      // Fewer threads than wanted will do; the first is missed below.
    }
    if (threads_.empty())
      throw Error(ErrorKind::kMemory, "the system gives no thread to load with: close other programs");
  }
  ~Workers() {
    {
      const std::scoped_lock lock(mutex_);
      ended_ = true;
      queue_.clear();
    }
    more_.notify_all();
    for (std::thread& thread : threads_) thread.join();
  }
  Workers(const Workers&) = delete;
  Workers& operator=(const Workers&) = delete;

  void add(Piece* piece) {
    {
      const std::scoped_lock lock(mutex_);
      queue_.push_back(piece);
    }
    more_.notify_one();
  }
  /// Waits until `count` pieces are done in all. Rethrows what a worker threw.
  void wait_for(uint64_t count) {
    std::unique_lock lock(mutex_);
    less_.wait(lock, [&] { return done_ >= count || error_ != nullptr; });
    if (error_ != nullptr) std::rethrow_exception(error_);
  }
  /// Pieces done so far.
  uint64_t done() {
    const std::scoped_lock lock(mutex_);
    return done_;
  }
  /// Rethrows what a worker threw, so that nobody reads on for a load that has failed.
  void demand_well() { wait_for(0); }
  size_t count() const { return threads_.size(); }

 private:
  void work() {
    std::vector<std::byte> packed;
    std::vector<std::byte> raw;
    for (;;) {
      Piece* piece = nullptr;
      {
        std::unique_lock lock(mutex_);
        more_.wait(lock, [&] { return ended_ || !queue_.empty(); });
        if (ended_) return;
        piece = queue_.front();
        queue_.pop_front();
      }
      try {
        if (ring_ == nullptr) read(*piece, raw);
        move(*piece, packed);
        if (ring_ != nullptr) ring_->give_back(piece->slots);
        const std::scoped_lock lock(mutex_);
        ++done_;
      } catch (...) {
        const std::scoped_lock lock(mutex_);
        if (error_ == nullptr) error_ = std::current_exception();
      }
      less_.notify_all();
    }
  }

  /// Reads what nobody has read yet.
  void read(Piece& piece, std::vector<std::byte>& raw) const {
    const size_t sources = piece.transfer->sources.size();
    const uint64_t bytes = piece.source_rows() * file_row_bytes(*piece.transfer->sources[0].tensor);
    raw.resize(bytes * sources);
    piece.data.clear();
    for (size_t s = 0; s < sources; ++s) {
      const gguf::Tensor& tensor = *piece.transfer->sources[s].tensor;
      const std::span<std::byte> part = std::span(raw).subspan(s * bytes, bytes);
      file_.read(tensor, piece.tensor_offset(s), part);
      file_.demand_unchanged(tensor, piece.tensor_offset(s));
      piece.data.emplace_back(part);
    }
  }

  void move(const Piece& piece, std::vector<std::byte>& packed) {
    const Transfer& transfer = *piece.transfer;
    const uint64_t row_bytes = transfer.layout.row_bytes;
    const size_t sources = transfer.sources.size();
    packed.resize(piece.rows * row_bytes);
    for (size_t s = 0; s < sources; ++s) {
      const gguf::Tensor& tensor = *transfer.sources[s].tensor;
      const uint64_t file_row = file_row_bytes(tensor);
      if (sources == 1) {
        quant::pack_rows(tensor.format(), tensor.columns(), piece.rows, piece.data[s], packed);
        continue;
      }
      for (uint64_t r = 0; r < piece.source_rows(); ++r) {
        quant::pack_rows(tensor.format(), tensor.columns(), 1, piece.data[s].subspan(r * file_row, file_row),
                         std::span(packed).subspan((r * sources + s) * row_bytes, row_bytes));
      }
    }
    const vulkan::Allocation& to = memory_[transfer.memory];
    const uint64_t offset = transfer.offset + piece.first_row * row_bytes;
    if (to.host() != nullptr) {
      // Mapped memory may be across a bus: written once, in order, from a copy in the cache.
      std::memcpy(to.host() + offset, packed.data(), packed.size());
      return;
    }
    const std::scoped_lock lock(upload_);
    device_.upload(to, offset, packed);
  }

  const gguf::File& file_;
  vulkan::Device& device_;
  const std::vector<vulkan::Allocation>& memory_;
  Ring* ring_;  ///< where pieces have been read to; null: workers read them
  std::mutex mutex_;
  std::mutex upload_;
  std::condition_variable more_;
  std::condition_variable less_;
  std::deque<Piece*> queue_;
  uint64_t done_ = 0;
  bool ended_ = false;
  std::exception_ptr error_;
  std::vector<std::thread> threads_;
};

/// Whether reading is no more than copying: then whoever repacks reads too, while it is in the cache of the
/// core.
bool in_page_cache(const gguf::File& file) {
  for (uint32_t i = 0; i < file.paths().size(); ++i) {
    if (!file.input(i).in_page_cache()) return false;
  }
  return true;
}

using Moved = std::function<void(uint64_t bytes)>;

std::string move_cached(const gguf::File& file, vulkan::Device& device, std::vector<Piece>& pieces,
                        const std::vector<vulkan::Allocation>& memory, const Moved& moved) {
  Workers workers(file, device, memory, nullptr);
  uint64_t total = 0;
  for (Piece& piece : pieces) {
    total += piece.rows * file_row_bytes(*piece.transfer->sources[0].tensor);
    workers.add(&piece);
  }
  uint64_t told = 0;
  for (uint64_t done = 0; done < pieces.size();) {
    workers.wait_for(done + 1);
    done = workers.done();
    // Pieces are about alike.
    const uint64_t bytes = total / pieces.size() * done + (done == pieces.size() ? total % pieces.size() : 0);
    moved(bytes - told);
    told = bytes;
  }
  return fmt::format("{} threads, from the page cache", workers.count());
}

std::string move_read(const gguf::File& file, vulkan::Device& device, std::vector<Piece>& pieces,
                      const std::vector<vulkan::Allocation>& memory, uint64_t ring_bytes,
                      const Moved& moved) {
  uint64_t longest = 0;
  for (const Piece& piece : pieces) {
    longest = std::max(longest, piece.source_rows() * file_row_bytes(*piece.transfer->sources[0].tensor));
  }
  const uint64_t slot_bytes = gguf::ReadQueue::buffer_bytes(longest);
  const uint64_t wanted = std::min(ring_bytes > 0 ? ring_bytes : plan::kUsualRing, kMaxRing);
  const auto slots = static_cast<uint32_t>(std::clamp<uint64_t>(
      wanted / slot_bytes, 2, std::min<uint64_t>(gguf::ReadQueue::kMaxDepth, 2 * pieces.size())));

  // In this order: reads end before their ring goes, and so do the workers.
  Ring ring(slots, slot_bytes);
  gguf::ReadQueue queue(file, slots);
  Workers workers(file, device, memory, &ring);
  uint64_t next = 0;
  uint64_t given = 0;  // to the workers
  while (given < pieces.size()) {
    workers.demand_well();
    for (; next < pieces.size(); ++next) {
      Piece& piece = pieces[next];
      const size_t sources = piece.transfer->sources.size();
      piece.slots = ring.take(sources);
      if (piece.slots.empty()) break;
      piece.waiting = static_cast<uint32_t>(sources);
      piece.data.resize(sources);
      for (size_t s = 0; s < sources; ++s) {
        const gguf::Tensor& tensor = *piece.transfer->sources[s].tensor;
        queue.submit({tensor.file, tensor.offset + piece.tensor_offset(s),
                      piece.source_rows() * file_row_bytes(tensor), ring.slot(piece.slots[s]), slot_bytes,
                      next * 2 + s});
      }
    }
    if (queue.in_flight() == 0) {
      // The slots are with the workers; the next that is given back goes on.
      if (const uint64_t moved_pieces = workers.done(); moved_pieces < given)
        workers.wait_for(moved_pieces + 1);
      continue;
    }
    const gguf::ReadQueue::Done done = queue.wait();
    Piece& piece = pieces[done.tag / 2];
    const size_t source = done.tag % 2;
    const gguf::Tensor& tensor = *piece.transfer->sources[source].tensor;
    file.demand_unchanged(tensor, piece.tensor_offset(source));
    piece.data[source] = done.data;
    if (--piece.waiting == 0) {
      workers.add(&piece);
      ++given;
    }
    moved(done.data.size());
  }
  workers.wait_for(pieces.size());
  return queue.description();
}

}  // namespace

std::string run_transfers(const gguf::File& file, vulkan::Device& device, std::vector<Transfer> transfers,
                          const std::vector<vulkan::Allocation>& memory, uint64_t ring_bytes,
                          const std::function<void(uint64_t bytes)>& moved) {
  // A disk is fastest when it is read from front to back.
  std::stable_sort(transfers.begin(), transfers.end(), [](const Transfer& a, const Transfer& b) {
    const gguf::Tensor& x = *a.sources[0].tensor;
    const gguf::Tensor& y = *b.sources[0].tensor;
    return std::tie(x.file, x.offset, a.sources[0].first_row) <
           std::tie(y.file, y.offset, b.sources[0].first_row);
  });
  std::vector<Piece> pieces = cut(transfers);
  if (pieces.empty()) return "nothing";
  if (in_page_cache(file)) return move_cached(file, device, pieces, memory, moved);
  return move_read(file, device, pieces, memory, ring_bytes, moved);
}

}  // namespace caldera::model
