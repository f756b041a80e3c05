#include "vulkan/memory_pool.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <fstream>
#include <utility>

#include "vulkan/result.hpp"

namespace caldera::vulkan {
namespace {

/// Every address handed out is a multiple of this: the widest loads and the strictest copy alignment.
constexpr uint64_t kAlignment = 256;
/// Chunks for things that come one by one (KV pages, tables).
constexpr uint64_t kSmallChunk = uint64_t{32} << 20;
/// Larger chunks gain nothing, and a refusal of a smaller one leaves less unused.
constexpr uint64_t kLargeChunk = uint64_t{1} << 30;

constexpr VkBufferUsageFlags kUsage = VK_BUFFER_USAGE_STORAGE_BUFFER_BIT |
                                      VK_BUFFER_USAGE_SHADER_DEVICE_ADDRESS_BIT |
                                      VK_BUFFER_USAGE_TRANSFER_SRC_BIT | VK_BUFFER_USAGE_TRANSFER_DST_BIT;

/// Memory that needs features we do not switch on, or that bypasses the caches (AMD lists it beside each
/// type).
constexpr VkMemoryPropertyFlags kUnwanted =
    VK_MEMORY_PROPERTY_LAZILY_ALLOCATED_BIT | VK_MEMORY_PROPERTY_PROTECTED_BIT |
    VK_MEMORY_PROPERTY_DEVICE_COHERENT_BIT_AMD | VK_MEMORY_PROPERTY_DEVICE_UNCACHED_BIT_AMD;

uint64_t align_up(uint64_t value, uint64_t alignment) {
  return (value + alignment - 1) / alignment * alignment;
}

/// "1.50 GiB", or below one "20.0 MiB".
std::string size_text(uint64_t bytes) {
  const double mib = static_cast<double>(bytes) / (1U << 20);
  return mib < 1024 ? fmt::format("{:.1f} MiB", mib) : fmt::format("{:.2f} GiB", mib / 1024);
}

/// MemAvailable of /proc/meminfo in bytes; a software device's heaps say less (or more) than there is.
uint64_t available_ram() {
  std::ifstream file("/proc/meminfo");
  std::string key;
  uint64_t kib = 0;
  std::string unit;
  while (file >> key >> kib >> unit) {
    if (key == "MemAvailable:") return kib * 1024;
  }
  return UINT64_MAX;
}

VkBuffer make_buffer(VkDevice device, uint64_t bytes, VkResult& result) {
  VkBufferCreateInfo info{VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO};
  info.size = bytes;
  info.usage = kUsage;
  VkBuffer buffer = VK_NULL_HANDLE;
  result = vkCreateBuffer(device, &info, nullptr, &buffer);
  return buffer;
}

}  // namespace

struct Chunk {
  VkBuffer buffer = VK_NULL_HANDLE;
  VkDeviceMemory memory = VK_NULL_HANDLE;
  uint64_t bytes = 0;
  uint64_t address = 0;
  std::byte* host = nullptr;
  Residency residency = Residency::kDevice;
  std::map<uint64_t, uint64_t> free;  ///< offset to length, never touching each other
};

VkBuffer Allocation::buffer() const {
  return chunk_->buffer;
}

Allocation& Allocation::operator=(Allocation&& other) noexcept {
  if (this != &other) {
    release();
    chunk_ = std::exchange(other.chunk_, nullptr);
    pool_ = other.pool_;
    address_ = other.address_;
    offset_ = other.offset_;
    bytes_ = other.bytes_;
    host_ = other.host_;
    purpose_ = other.purpose_;
  }
  return *this;
}

void Allocation::release() {
  if (chunk_ != nullptr) pool_->give_back(*this);
  chunk_ = nullptr;
}

MemoryPool::MemoryPool(const PhysicalDevice& physical, VkDevice device, uint64_t limit,
                       bool allow_host_visible)
    : physical_(physical), device_(device), limit_(limit), allow_host_visible_(allow_host_visible) {
  max_chunk_ =
      std::min(physical.info.max_allocation_bytes, physical.info.max_buffer_bytes) / kAlignment * kAlignment;
  VkResult result = VK_SUCCESS;
  VkBuffer probe = make_buffer(device, kAlignment, result);
  check(result, "creating a buffer");
  VkMemoryRequirements requirements{};
  vkGetBufferMemoryRequirements(device, probe, &requirements);
  vkDestroyBuffer(device, probe, nullptr);
  type_bits_ = requirements.memoryTypeBits;
}

MemoryPool::~MemoryPool() {
  for (const auto& chunk : chunks_) {
    vkDestroyBuffer(device_, chunk->buffer, nullptr);
    vkFreeMemory(device_, chunk->memory, nullptr);
  }
}

std::vector<uint32_t> MemoryPool::candidate_types(Residency residency) const {
  struct Candidate {
    uint32_t type;
    int score;
    uint64_t heap;
  };
  std::vector<Candidate> candidates;
  uint64_t largest_local = 0;
  for (uint32_t i = 0; i < physical_.memory.memoryHeapCount; ++i) {
    const VkMemoryHeap& heap = physical_.memory.memoryHeaps[i];
    if ((heap.flags & VK_MEMORY_HEAP_DEVICE_LOCAL_BIT) != 0)
      largest_local = std::max(largest_local, heap.size);
  }
  for (uint32_t i = 0; i < physical_.memory.memoryTypeCount; ++i) {
    if ((type_bits_ >> i & 1) == 0) continue;
    const VkMemoryPropertyFlags flags = physical_.memory.memoryTypes[i].propertyFlags;
    const uint64_t heap = physical_.memory.memoryHeaps[physical_.memory.memoryTypes[i].heapIndex].size;
    const bool local = (flags & VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT) != 0;
    const bool visible = (flags & VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT) != 0;
    const bool coherent = (flags & VK_MEMORY_PROPERTY_HOST_COHERENT_BIT) != 0;
    const bool cached = (flags & VK_MEMORY_PROPERTY_HOST_CACHED_BIT) != 0;
    if ((flags & kUnwanted) != 0) continue;
    int score = 0;
    if (residency == Residency::kDevice) {
      // A window of a few hundred MiB onto a discrete card's memory is not for weights.
      if (local && visible && heap < largest_local / 2) continue;
      if (!local && !physical_.unified_memory()) continue;
      if (visible && !coherent) continue;
      score = (local ? 4 : 0) + (visible && allow_host_visible_ ? 2 : 0);
      if (visible && !allow_host_visible_) score -= 1;
    } else {
      if (!visible || !coherent) continue;
      const bool wants_cache = residency == Residency::kHostRead;
      score = (cached == wants_cache ? 2 : 0) + (local && residency == Residency::kHostWrite ? 4 : 0);
    }
    candidates.push_back({i, score, heap});
  }
  std::stable_sort(candidates.begin(), candidates.end(), [](const Candidate& a, const Candidate& b) {
    return a.score != b.score ? a.score > b.score : a.heap > b.heap;
  });
  std::vector<uint32_t> types;
  types.reserve(candidates.size());
  for (const Candidate& candidate : candidates) types.push_back(candidate.type);
  return types;
}

Chunk* MemoryPool::add_chunk(uint32_t type, uint64_t bytes, Residency residency, VkResult& refusal) {
  if (physical_.type == VK_PHYSICAL_DEVICE_TYPE_CPU && bytes > available_ram()) {
    refusal = VK_ERROR_OUT_OF_DEVICE_MEMORY;
    return nullptr;
  }
  auto chunk = std::make_unique<Chunk>();
  chunk->bytes = bytes;
  chunk->residency = residency;
  chunk->buffer = make_buffer(device_, bytes, refusal);
  if (refusal != VK_SUCCESS) return nullptr;
  VkMemoryRequirements requirements{};
  vkGetBufferMemoryRequirements(device_, chunk->buffer, &requirements);

  VkMemoryAllocateFlagsInfo flags{VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_FLAGS_INFO};
  flags.flags = VK_MEMORY_ALLOCATE_DEVICE_ADDRESS_BIT;
  VkMemoryAllocateInfo allocate{VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO};
  allocate.pNext = &flags;
  allocate.allocationSize = requirements.size;
  allocate.memoryTypeIndex = type;
  refusal = vkAllocateMemory(device_, &allocate, nullptr, &chunk->memory);
  if (refusal == VK_SUCCESS) refusal = vkBindBufferMemory(device_, chunk->buffer, chunk->memory, 0);
  const bool visible =
      (physical_.memory.memoryTypes[type].propertyFlags & VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT) != 0;
  if (refusal == VK_SUCCESS && visible && (allow_host_visible_ || residency != Residency::kDevice)) {
    void* host = nullptr;
    refusal = vkMapMemory(device_, chunk->memory, 0, VK_WHOLE_SIZE, 0, &host);
    chunk->host = static_cast<std::byte*>(host);
  }
  if (refusal != VK_SUCCESS) {
    vkDestroyBuffer(device_, chunk->buffer, nullptr);
    if (chunk->memory != VK_NULL_HANDLE) vkFreeMemory(device_, chunk->memory, nullptr);
    return nullptr;
  }
  VkBufferDeviceAddressInfo address{VK_STRUCTURE_TYPE_BUFFER_DEVICE_ADDRESS_INFO};
  address.buffer = chunk->buffer;
  chunk->address = vkGetBufferDeviceAddress(device_, &address);
  chunk->free.emplace(0, bytes);
  reserved_ += bytes;
  chunks_.push_back(std::move(chunk));
  return chunks_.back().get();
}

Allocation MemoryPool::carve(Chunk& chunk, uint64_t bytes, Purpose purpose) {
  const auto place = std::find_if(chunk.free.begin(), chunk.free.end(),
                                  [&](const auto& gap) { return gap.second >= bytes; });
  if (place == chunk.free.end()) return {};
  const auto [offset, length] = *place;
  chunk.free.erase(place);
  if (length > bytes) chunk.free.emplace(offset + bytes, length - bytes);
  Allocation allocation;
  allocation.chunk_ = &chunk;
  allocation.pool_ = this;
  allocation.offset_ = offset;
  allocation.bytes_ = bytes;
  allocation.address_ = chunk.address + offset;
  allocation.host_ = chunk.host != nullptr ? chunk.host + offset : nullptr;
  allocation.purpose_ = purpose;
  used_[static_cast<size_t>(purpose)] += bytes;
  return allocation;
}

Allocation MemoryPool::allocate(uint64_t bytes, Residency residency, Purpose purpose,
                                const std::string& what) {
  const std::scoped_lock lock(mutex_);
  if (bytes > max_chunk_) {
    throw Error(ErrorKind::kMemory,
                fmt::format("{} needs {} in one piece and the device grants at most {}: a smaller context "
                            "or fewer sequences would do",
                            what, size_text(bytes), size_text(max_chunk_)));
  }
  bytes = align_up(std::max<uint64_t>(bytes, 1), kAlignment);
  for (const auto& chunk : chunks_) {
    if (chunk->residency != residency) continue;
    if (Allocation allocation = carve(*chunk, bytes, purpose)) {
      if (residency == Residency::kDevice) expected_ -= std::min(expected_, bytes);
      return allocation;
    }
  }

  const uint64_t planned =
      residency == Residency::kDevice && expected_ > 0 ? std::min(expected_, kLargeChunk) : kSmallChunk;
  // A whole number of what is asked for: KV pages come by the hundred, and a remainder too small for one more
  // would be lost with each chunk.
  uint64_t wanted = std::min(std::max<uint64_t>(planned / bytes, 1) * bytes, max_chunk_);
  if (limit_ > 0 && reserved_ + wanted > limit_) wanted = bytes;
  if (limit_ > 0 && reserved_ + wanted > limit_) {
    throw Error(ErrorKind::kMemory,
                fmt::format("{} needs {} more and {} of the memory limit of {} are in use: raise "
                            "--memory-limit, or take a smaller model or context",
                            what, size_text(bytes), size_text(reserved_), size_text(limit_)));
  }
  // Ask for what was planned first, then for no more than is needed now, type by type.
  VkResult refusal = VK_ERROR_OUT_OF_DEVICE_MEMORY;
  for (const uint64_t size : {wanted, bytes}) {
    for (const uint32_t type : candidate_types(residency)) {
      Chunk* chunk = add_chunk(type, size, residency, refusal);
      if (chunk == nullptr) continue;
      if (residency == Residency::kDevice) expected_ -= std::min(expected_, bytes);
      return carve(*chunk, bytes, purpose);
    }
  }
  throw Error(
      ErrorKind::kMemory,
      fmt::format("{} needs {} of device memory and {} refused it ({}), with {} in use: take a "
                  "smaller model or context, or close other programs",
                  what, size_text(bytes), physical_.info.name, result_name(refusal), size_text(reserved_)));
}

void MemoryPool::give_back(Allocation& allocation) {
  const std::scoped_lock lock(mutex_);
  Chunk& chunk = *allocation.chunk_;
  used_[static_cast<size_t>(allocation.purpose_)] -= allocation.bytes_;
  auto [place, inserted] = chunk.free.emplace(allocation.offset_, allocation.bytes_);
  const auto next = std::next(place);
  if (next != chunk.free.end() && place->first + place->second == next->first) {
    place->second += next->second;
    chunk.free.erase(next);
  }
  if (place != chunk.free.begin()) {
    const auto previous = std::prev(place);
    if (previous->first + previous->second == place->first) {
      previous->second += place->second;
      chunk.free.erase(place);
    }
  }
  if (chunk.free.size() == 1 && chunk.free.begin()->second == chunk.bytes) {
    vkDestroyBuffer(device_, chunk.buffer, nullptr);
    vkFreeMemory(device_, chunk.memory, nullptr);
    reserved_ -= chunk.bytes;
    std::erase_if(chunks_, [&](const auto& other) { return other.get() == &chunk; });
  }
}

}  // namespace caldera::vulkan
