// Device memory: one pool over every heap of a device, taken in chunks and handed out by address.
#pragma once

#include <vulkan/vulkan.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "vulkan/instance.hpp"
#include "vulkan/memory_budget.hpp"
#include "vulkan/memory_chunk.hpp"

namespace caldera::vulkan {

/// Who touches an allocation, which decides the memory type.
enum class Residency {
  kDevice,     ///< the device; host-visible where that costs nothing (unified memory, resizable BAR)
  kHostWrite,  ///< the host writes, the device reads: tables, parameters, staging
  kHostRead,   ///< the device writes, the host reads: results
};
inline constexpr size_t kResidencies = 3;

/// What an allocation is for; MemoryPool::used() reports by it.
enum class Purpose { kWeights, kKv, kActivations, kStaging };
inline constexpr size_t kPurposes = 4;

/// A piece of device memory. Movable; returned to its chunk when it goes.
class Allocation {
 public:
  Allocation() = default;
  ~Allocation() { release(); }
  Allocation(Allocation&& other) noexcept { *this = std::move(other); }
  Allocation& operator=(Allocation&& other) noexcept;

  uint64_t address() const { return address_; }  ///< GPU virtual address, 256-byte aligned
  uint64_t bytes() const { return bytes_; }
  /// Where the host sees it, or null.
  std::byte* host() const { return host_; }
  VkBuffer buffer() const { return chunk_->buffer(); }
  uint64_t buffer_offset() const { return offset_; }
  uint32_t memory_type() const { return chunk_->type(); }  ///< index among the device's types
  explicit operator bool() const { return chunk_ != nullptr; }

 private:
  friend class MemoryPool;
  void release();

  Chunk* chunk_ = nullptr;
  class MemoryPool* pool_ = nullptr;
  uint64_t address_ = 0;
  uint64_t offset_ = 0;
  uint64_t bytes_ = 0;
  std::byte* host_ = nullptr;
  Purpose purpose_ = Purpose::kActivations;
};

/// Fills the heaps in the order of plan::usable_heaps(): the fastest first, each up to what the driver and
/// the system would still give, then the next. A refusal is an ordinary event: a smaller chunk is asked for,
/// then another heap. Chunks never exceed the device's limits on one allocation and one buffer. Safe for use
/// by several threads.
class MemoryPool {
 public:
  /// `limit`: most bytes of near memory (see plan::Reach) to take, 0 for no limit of our own.
  /// `allow_host_visible` false keeps kDevice memory unmapped even where the device could map it (to test
  /// staging).
  MemoryPool(const PhysicalDevice& physical, VkDevice device, uint64_t limit, bool allow_host_visible);
  ~MemoryPool();
  MemoryPool(const MemoryPool&) = delete;
  MemoryPool& operator=(const MemoryPool&) = delete;

  /// The largest single allocation this device grants.
  uint64_t max_allocation() const { return max_chunk_; }

  /// Says that weights of these sizes will be allocated next, in this order, so that chunks end where one of
  /// them ends. An empty list takes that back.
  void expect(std::span<const uint64_t> sizes);
  /// Bytes of near memory that weights leave to what comes after them (KV memory, activations).
  void hold(uint64_t bytes);

  /// Errors: kMemory, saying what was asked, what is left where, and what to change.
  Allocation allocate(uint64_t bytes, Residency residency, Purpose purpose, const std::string& what);

  /// Host memory as device memory, without a copy; it must outlive the allocation, and begin and end on
  /// PhysicalDevice::host_import_alignment. Nothing where the driver refuses: then `refusal` says how.
  std::optional<Allocation> import(std::span<std::byte> memory, Purpose purpose, std::string& refusal);

  /// Bytes handed out for `purpose`.
  uint64_t used(Purpose purpose) const;
  /// Of those, what lies across the bus of a discrete device.
  uint64_t used_far(Purpose purpose) const;
  /// Bytes taken from the driver; without imports.
  uint64_t reserved() const;
  /// Bytes of host memory imported.
  uint64_t imported() const;
  /// What lies where: every heap that is in use.
  std::vector<HeapUse> heaps() const;
  /// Bytes that could be taken now, at the speed of the device's memory and in all.
  struct Room {
    uint64_t near = 0;
    uint64_t all = 0;
  };
  Room room() const;

 private:
  friend class Allocation;
  using Counts = std::array<uint64_t, kPurposes>;

  /// A kind of memory to take chunks of.
  struct Place {
    uint32_t type;
    uint32_t heap;
    bool near;
    std::optional<uint32_t>
        hidden;  ///< of a host-visible type: one of the same heap that the host does not see
  };
  struct Held {
    std::unique_ptr<Chunk> chunk;
    Residency residency;
    uint32_t heap;
    bool imported;
  };

  std::vector<Place> weight_places(uint32_t type_bits) const;
  std::vector<Place> host_places(uint32_t type_bits, bool cached, bool staging) const;
  /// Where to look for memory, group after group; places of one group are as good as each other.
  std::vector<std::span<const Place>> tiers(Residency residency, Purpose purpose) const;
  /// Bytes that `heap` can still give for `purpose`: its own room, the memory limit and what is held.
  uint64_t room_for(uint32_t heap, Purpose purpose) const;
  uint64_t near_room(const MemoryBudget::Room& room) const;
  /// Near memory in use, imports with it: what the memory limit is about.
  uint64_t near_taken() const;
  Allocation from_chunks(uint64_t bytes, Residency residency, Purpose purpose, std::span<const Place> tier);
  Allocation from_driver(uint64_t bytes, Residency residency, Purpose purpose, std::span<const Place> tier,
                         VkResult& refusal);
  /// How large a chunk that must hold `bytes` is best made, at most `most`.
  uint64_t chunk_bytes(uint64_t bytes, uint64_t most, Residency residency, Purpose purpose) const;
  Allocation hand_out(Held& held, uint64_t offset, uint64_t bytes, Purpose purpose);
  std::string describe_room() const;
  void give_back(Allocation& allocation);

  const PhysicalDevice& physical_;
  VkDevice device_;
  MemoryBudget budget_;
  uint64_t limit_;
  bool allow_host_visible_;
  uint64_t max_chunk_ = 0;
  uint64_t hold_ = 0;
  uint64_t imported_ = 0;
  std::deque<uint64_t> expected_;
  std::vector<uint64_t> taken_;  ///< from the driver, by heap; without imports
  std::vector<Counts> used_;     ///< by heap
  std::array<std::vector<Place>, kResidencies> places_;
  std::vector<Place> staging_places_;
  std::vector<Held> chunks_;
  mutable std::mutex mutex_;
};

}  // namespace caldera::vulkan
