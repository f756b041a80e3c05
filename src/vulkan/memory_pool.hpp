// Device memory: large chunks taken from the driver, handed out by address.
#pragma once

#include <vulkan/vulkan.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "vulkan/instance.hpp"

namespace caldera::vulkan {

/// Who touches an allocation, which decides the memory type.
enum class Residency {
  kDevice,     ///< the device; host-visible where that costs nothing (unified memory, resizable BAR)
  kHostWrite,  ///< the host writes, the device reads: tables, parameters, staging
  kHostRead,   ///< the device writes, the host reads: results
};

/// What an allocation is for; MemoryPool::used() reports by it.
enum class Purpose { kWeights, kKv, kActivations, kStaging };
inline constexpr size_t kPurposes = 4;

struct Chunk;

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
  VkBuffer buffer() const;
  uint64_t buffer_offset() const { return offset_; }
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

/// Chunks never exceed the device's allocation and buffer limits, whatever is asked of the pool as a whole.
/// When one memory type refuses, the next that fits the residency is tried.
class MemoryPool {
 public:
  /// `limit`: most bytes to take from the driver, 0 for no limit of our own. `allow_host_visible` false keeps
  /// kDevice memory unmapped even where the device could map it (to test staging).
  MemoryPool(const PhysicalDevice& physical, VkDevice device, uint64_t limit, bool allow_host_visible);
  ~MemoryPool();
  MemoryPool(const MemoryPool&) = delete;
  MemoryPool& operator=(const MemoryPool&) = delete;

  /// The largest single allocation this device grants.
  uint64_t max_allocation() const { return max_chunk_; }

  /// Says that `bytes` of kDevice memory will be asked for soon, so that chunks are sized to fit.
  void expect(uint64_t bytes) { expected_ = bytes; }

  /// Errors: kMemory, saying what was asked, what was refused and what to change.
  Allocation allocate(uint64_t bytes, Residency residency, Purpose purpose, const std::string& what);

  /// Bytes handed out for `purpose`.
  uint64_t used(Purpose purpose) const { return used_[static_cast<size_t>(purpose)]; }
  /// Bytes taken from the driver.
  uint64_t reserved() const { return reserved_; }

 private:
  friend class Allocation;
  Allocation carve(Chunk& chunk, uint64_t bytes, Purpose purpose);
  Chunk* add_chunk(uint32_t type, uint64_t bytes, Residency residency, VkResult& refusal);
  std::vector<uint32_t> candidate_types(Residency residency) const;
  void give_back(Allocation& allocation);

  const PhysicalDevice& physical_;
  VkDevice device_;
  uint64_t limit_;
  bool allow_host_visible_;
  uint64_t max_chunk_ = 0;
  uint64_t expected_ = 0;
  uint64_t reserved_ = 0;
  std::array<uint64_t, kPurposes> used_{};
  uint32_t type_bits_ = 0;  ///< memory types our buffers may live in
  std::vector<std::unique_ptr<Chunk>> chunks_;
  std::mutex mutex_;
};

}  // namespace caldera::vulkan
