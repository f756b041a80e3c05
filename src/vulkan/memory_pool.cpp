#include "vulkan/memory_pool.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "plan/size_text.hpp"
#include "plan/usable_heaps.hpp"
#include "vulkan/result.hpp"

namespace caldera::vulkan {
namespace {

using plan::size_text;

/// Chunks for things that come one by one (KV pages, tables): the least, and the most when many have come.
constexpr uint64_t kSmallChunk = uint64_t{8} << 20;
constexpr uint64_t kGrownChunk = uint64_t{512} << 20;
/// Larger chunks gain nothing, and a refusal of a smaller one leaves less unused.
constexpr uint64_t kLargeChunk = uint64_t{1} << 30;
/// Pages of GPUs, and chunks that are worth a whole number of them.
constexpr uint64_t kLargePage = uint64_t{2} << 20;
constexpr uint64_t kPagedChunk = uint64_t{128} << 20;

uint64_t align_up(uint64_t value, uint64_t alignment) {
  return (value + alignment - 1) / alignment * alignment;
}

/// Bit i: our buffers may lie in memory type i.
uint32_t buffer_types(VkDevice device) {
  const VkBufferCreateInfo info = buffer_info(kChunkAlignment);
  VkBuffer probe = VK_NULL_HANDLE;
  check(vkCreateBuffer(device, &info, nullptr, &probe), "creating a buffer");
  VkMemoryRequirements requirements{};
  vkGetBufferMemoryRequirements(device, probe, &requirements);
  vkDestroyBuffer(device, probe, nullptr);
  return requirements.memoryTypeBits;
}

/// Whether buffers of ours can lie in imported host memory.
bool imports_buffers(VkPhysicalDevice device) {
  const VkBufferCreateInfo buffer = buffer_info(kChunkAlignment);
  VkPhysicalDeviceExternalBufferInfo info{VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_EXTERNAL_BUFFER_INFO};
  info.usage = buffer.usage;
  info.handleType = VK_EXTERNAL_MEMORY_HANDLE_TYPE_HOST_ALLOCATION_BIT_EXT;
  VkExternalBufferProperties properties{VK_STRUCTURE_TYPE_EXTERNAL_BUFFER_PROPERTIES};
  vkGetPhysicalDeviceExternalBufferProperties(device, &info, &properties);
  const VkExternalMemoryFeatureFlags features = properties.externalMemoryProperties.externalMemoryFeatures;
  return (features & VK_EXTERNAL_MEMORY_FEATURE_IMPORTABLE_BIT) != 0;
}

size_t index_of(Purpose purpose) {
  return static_cast<size_t>(purpose);
}

}  // namespace

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
    : physical_(physical),
      device_(device),
      budget_(physical),
      limit_(limit),
      allow_host_visible_(allow_host_visible),
      taken_(budget_.topology().heaps.size()),
      used_(budget_.topology().heaps.size()) {
  max_chunk_ = std::min(physical.info.max_allocation_bytes, physical.info.max_buffer_bytes) /
               kChunkAlignment * kChunkAlignment;
  const uint32_t types = buffer_types(device);
  places_[static_cast<size_t>(Residency::kDevice)] = weight_places(types);
  places_[static_cast<size_t>(Residency::kHostWrite)] = host_places(types, false, false);
  places_[static_cast<size_t>(Residency::kHostRead)] = host_places(types, true, false);
  staging_places_ = host_places(types, false, true);
}

MemoryPool::~MemoryPool() = default;

std::vector<MemoryPool::Place> MemoryPool::weight_places(uint32_t type_bits) const {
  std::vector<Place> places;
  for (const plan::UsableHeap& heap :
       plan::usable_heaps(budget_.topology(), type_bits, allow_host_visible_)) {
    places.push_back({heap.type, heap.heap, heap.reach == plan::Reach::kNear, std::nullopt});
    if (!budget_.topology().types[heap.type].host_visible) continue;
    for (const plan::UsableHeap& other : plan::usable_heaps(budget_.topology(), type_bits, false)) {
      const bool hidden = other.heap == heap.heap && !budget_.topology().types[other.type].host_visible;
      if (hidden) places.back().hidden = other.type;
    }
  }
  return places;
}

std::vector<MemoryPool::Place> MemoryPool::host_places(uint32_t type_bits, bool cached, bool staging) const {
  const plan::Topology& topology = budget_.topology();
  std::vector<std::pair<int, Place>> scored;
  for (uint32_t i = 0; i < topology.types.size(); ++i) {
    const plan::MemoryType& type = topology.types[i];
    if ((type_bits >> i & 1) == 0 || type.special || !type.host_visible || !type.host_coherent) continue;
    // What the device reads is best near it; what is only copied from, or read by the host, in the host's own
    // memory.
    const bool wants_local = !cached && !staging;
    const int score = (type.host_cached == cached ? 1 : 0) + (type.device_local == wants_local ? 2 : 0);
    scored.push_back({score, {i, type.heap, budget_.near(type.heap), std::nullopt}});
  }
  std::stable_sort(scored.begin(), scored.end(),
                   [](const auto& a, const auto& b) { return a.first > b.first; });
  std::vector<Place> places;
  places.reserve(scored.size());
  for (const auto& [score, place] : scored) places.push_back(place);
  return places;
}

std::vector<std::span<const MemoryPool::Place>> MemoryPool::tiers(Residency residency,
                                                                  Purpose purpose) const {
  const bool staging = residency == Residency::kHostWrite && purpose == Purpose::kStaging;
  const std::span<const Place> all = staging ? staging_places_ : places_[static_cast<size_t>(residency)];
  std::vector<std::span<const Place>> tiers;
  for (size_t first = 0; first < all.size();) {
    size_t end = first + 1;
    // What the host reads or only copies from must not go near the device because that is faster for the
    // device: of host memory the order of the places is all that counts.
    if (residency == Residency::kDevice) {
      while (end < all.size() && all[end].near == all[first].near) ++end;
    }
    tiers.push_back(all.subspan(first, end - first));
    first = end;
  }
  return tiers;
}

void MemoryPool::expect(std::span<const uint64_t> sizes) {
  const std::scoped_lock lock(mutex_);
  expected_.clear();
  for (const uint64_t bytes : sizes) expected_.push_back(align_up(bytes, kChunkAlignment));
}

void MemoryPool::hold(uint64_t bytes) {
  const std::scoped_lock lock(mutex_);
  hold_ = bytes;
}

uint64_t MemoryPool::imported() const {
  const std::scoped_lock lock(mutex_);
  return imported_;
}

uint64_t MemoryPool::near_taken() const {
  uint64_t bytes = 0;
  for (const Held& held : chunks_) {
    if (budget_.near(held.heap)) bytes += held.chunk->bytes();
  }
  return bytes;
}

uint64_t MemoryPool::near_room(const MemoryBudget::Room& room) const {
  uint64_t near = 0;
  for (const Place& place : places_[static_cast<size_t>(Residency::kDevice)]) {
    if (place.near) near += std::min(room.heap[place.heap], UINT64_MAX - near);
  }
  if (budget_.topology().unified()) near = std::min(near, room.host);
  if (limit_ > 0) {
    const uint64_t taken = near_taken();
    near = std::min(near, limit_ > taken ? limit_ - taken : 0);
  }
  return near;
}

uint64_t MemoryPool::room_for(uint32_t heap, Purpose purpose) const {
  const MemoryBudget::Room room = budget_.room(taken_);
  uint64_t most = room.heap[heap];
  if (!budget_.near(heap)) return most;
  const uint64_t near = near_room(room);
  // Without a limit the sum over the heaps says nothing about this one, except for what is held back of it.
  const uint64_t held = purpose == Purpose::kWeights ? hold_ : 0;
  if (limit_ > 0 || held > 0) most = std::min(most, near > held ? near - held : 0);
  return most;
}

MemoryPool::Room MemoryPool::room() const {
  const std::scoped_lock lock(mutex_);
  const MemoryBudget::Room room = budget_.room(taken_);
  Room total;
  total.near = near_room(room);
  uint64_t far = 0;
  for (const Place& place : places_[static_cast<size_t>(Residency::kDevice)]) {
    if (!place.near) far += std::min(room.heap[place.heap], UINT64_MAX - far);
  }
  far = std::min(far, room.host);  // however many heaps show it
  total.all = total.near + std::min(far, UINT64_MAX - total.near);
  return total;
}

uint64_t MemoryPool::chunk_bytes(uint64_t bytes, uint64_t most, Residency residency, Purpose purpose) const {
  if (residency == Residency::kDevice && purpose == Purpose::kWeights && !expected_.empty() &&
      expected_.front() == bytes) {
    const uint64_t cap = std::max(bytes, std::min(most, kLargeChunk));
    uint64_t sum = 0;
    for (const uint64_t next : expected_) {
      if (sum + next > cap) break;
      sum += next;
    }
    // Large chunks end on a large page: what is left over is room for a vector, and drivers refuse odd ones
    // sooner.
    const uint64_t whole = align_up(sum, kLargePage);
    return sum >= kPagedChunk && whole <= most ? whole : sum;
  }
  uint64_t reserved = 0;
  for (const uint64_t taken : taken_) reserved += taken;
  // Chunks grow with what is in use, so that their number stays far from the driver's limit, but take no
  // great part of what is left: what they do not use is lost to others.
  const uint64_t grown = std::clamp(reserved / 32, kSmallChunk, kGrownChunk);
  const uint64_t planned = std::min({grown, std::max(bytes, most / 16), most});
  // A whole number of what is asked for: KV pages come by the hundred, and a remainder too small for one more
  // would be lost with each chunk.
  return std::max<uint64_t>(planned / bytes, 1) * bytes;
}

Allocation MemoryPool::hand_out(Held& held, uint64_t offset, uint64_t bytes, Purpose purpose) {
  Allocation allocation;
  allocation.chunk_ = held.chunk.get();
  allocation.pool_ = this;
  allocation.offset_ = offset;
  allocation.bytes_ = bytes;
  allocation.address_ = held.chunk->address() + offset;
  allocation.host_ = held.chunk->host() != nullptr ? held.chunk->host() + offset : nullptr;
  allocation.purpose_ = purpose;
  used_[held.heap][index_of(purpose)] += bytes;
  return allocation;
}

Allocation MemoryPool::from_chunks(uint64_t bytes, Residency residency, Purpose purpose,
                                   std::span<const Place> tier) {
  for (Held& held : chunks_) {
    if (held.imported || held.residency != residency) continue;
    const uint32_t type = held.chunk->type();
    const auto is_here = [&](const Place& place) { return place.type == type || place.hidden == type; };
    if (std::none_of(tier.begin(), tier.end(), is_here)) continue;
    if (const std::optional<uint64_t> offset = held.chunk->take(bytes)) {
      return hand_out(held, *offset, bytes, purpose);
    }
  }
  return {};
}

Allocation MemoryPool::from_driver(uint64_t bytes, Residency residency, Purpose purpose,
                                   std::span<const Place> tier, VkResult& refusal) {
  for (const Place& place : tier) {
    const uint64_t most = std::min(room_for(place.heap, purpose), max_chunk_);
    if (most < bytes) continue;
    const bool map = residency != Residency::kDevice ||
                     (allow_host_visible_ && budget_.topology().types[place.type].host_visible);
    for (uint64_t size = chunk_bytes(bytes, most, residency, purpose);;
         size = chunk_bytes(bytes, size / 2, residency, purpose)) {
      std::unique_ptr<Chunk> chunk = Chunk::create(device_, place.type, size, map, refusal);
      // Memory that there is no window left to see through is still memory.
      if (chunk == nullptr && refusal == VK_ERROR_MEMORY_MAP_FAILED && residency == Residency::kDevice)
        chunk = Chunk::create(device_, place.type, size, false, refusal);
      if (chunk == nullptr && place.hidden)
        chunk = Chunk::create(device_, *place.hidden, size, false, refusal);
      if (chunk != nullptr) {
        taken_[place.heap] += size;
        const std::optional<uint64_t> offset = chunk->take(bytes);
        chunks_.push_back({std::move(chunk), residency, place.heap, false});
        return hand_out(chunks_.back(), offset.value_or(0), bytes, purpose);
      }
      if (refusal == VK_ERROR_DEVICE_LOST) check(refusal, "asking for memory");
      if (size <= bytes) break;
    }
  }
  return {};
}

std::string MemoryPool::describe_room() const {
  const MemoryBudget::Room room = budget_.room(taken_);
  std::string text;
  for (const Place& place : places_[static_cast<size_t>(Residency::kDevice)]) {
    const plan::Heap& heap = budget_.topology().heaps[place.heap];
    text += fmt::format("{}heap {} ({}{}) has {} left", text.empty() ? "" : ", ", place.heap,
                        heap.device_local ? "device, " : "host, ", size_text(heap.bytes),
                        size_text(std::min(room.heap[place.heap], uint64_t{1} << 60)));
  }
  return text;
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
  bytes = align_up(std::max<uint64_t>(bytes, 1), kChunkAlignment);
  VkResult refusal = VK_SUCCESS;
  Allocation allocation;
  for (const std::span<const Place> tier : tiers(residency, purpose)) {
    if (!allocation) allocation = from_chunks(bytes, residency, purpose, tier);
    if (!allocation) allocation = from_driver(bytes, residency, purpose, tier, refusal);
  }
  if (allocation) {
    if (purpose == Purpose::kWeights && !expected_.empty()) expected_.pop_front();
    return allocation;
  }
  const uint64_t held = purpose == Purpose::kWeights ? hold_ : 0;
  const std::string kept = held > 0 ? fmt::format(", {} kept for the context", size_text(held)) : "";
  const uint64_t near = near_taken();
  if (limit_ > 0 && refusal == VK_SUCCESS && limit_ < near + bytes + held) {
    throw Error(ErrorKind::kMemory,
                fmt::format("{} needs {} more and {} of the memory limit of {} are in use{}: raise "
                            "--memory-limit, or take a smaller model or context",
                            what, size_text(bytes), size_text(near), size_text(limit_), kept));
  }
  uint64_t reserved = imported_;
  for (const uint64_t taken : taken_) reserved += taken;
  throw Error(ErrorKind::kMemory,
              fmt::format("{} needs {} and {} does not give it{}: {}; {} are in use{}: take a smaller model "
                          "or context ('caldera plan' says what fits), or close other programs",
                          what, size_text(bytes), physical_.info.name,
                          refusal != VK_SUCCESS ? fmt::format(" ({})", result_name(refusal)) : "",
                          describe_room(), size_text(reserved), kept));
}

std::optional<Allocation> MemoryPool::import(std::span<std::byte> memory, Purpose purpose,
                                             std::string& refusal) {
  const std::scoped_lock lock(mutex_);
  // The limit is of near memory, and the host's is far from a discrete device.
  if (limit_ > 0 && budget_.topology().unified() && near_room(budget_.room(taken_)) < memory.size()) {
    refusal = fmt::format("the memory limit of {} leaves no room for {}", size_text(limit_),
                          size_text(memory.size()));
    return std::nullopt;
  }
  if (!imports_buffers(physical_.handle)) {
    refusal = fmt::format("{} imports no memory for buffers", physical_.info.name);
    return std::nullopt;
  }
  VkResult result = VK_SUCCESS;
  std::unique_ptr<Chunk> chunk = Chunk::import(device_, memory, result);
  if (chunk == nullptr) {
    if (result == VK_ERROR_DEVICE_LOST) check(result, "importing memory");
    refusal = fmt::format("{} refuses mapped files ({})", physical_.info.name, result_name(result));
    return std::nullopt;
  }
  const uint32_t heap = budget_.topology().types[chunk->type()].heap;
  imported_ += memory.size();
  const std::optional<uint64_t> offset = chunk->take(memory.size());
  chunks_.push_back({std::move(chunk), Residency::kDevice, heap, true});
  return hand_out(chunks_.back(), offset.value_or(0), memory.size(), purpose);
}

uint64_t MemoryPool::used(Purpose purpose) const {
  const std::scoped_lock lock(mutex_);
  uint64_t bytes = 0;
  for (const Counts& counts : used_) bytes += counts[index_of(purpose)];
  return bytes;
}

uint64_t MemoryPool::used_far(Purpose purpose) const {
  const std::scoped_lock lock(mutex_);
  uint64_t bytes = 0;
  for (uint32_t i = 0; i < used_.size(); ++i) {
    if (!budget_.near(i)) bytes += used_[i][index_of(purpose)];
  }
  return bytes;
}

uint64_t MemoryPool::reserved() const {
  const std::scoped_lock lock(mutex_);
  uint64_t bytes = 0;
  for (const uint64_t taken : taken_) bytes += taken;
  return bytes;
}

std::vector<HeapUse> MemoryPool::heaps() const {
  const std::scoped_lock lock(mutex_);
  std::vector<HeapUse> heaps;
  for (uint32_t i = 0; i < used_.size(); ++i) {
    HeapUse use;
    use.heap = i;
    use.near = budget_.near(i);
    use.weights = used_[i][index_of(Purpose::kWeights)];
    use.kv = used_[i][index_of(Purpose::kKv)];
    use.activations = used_[i][index_of(Purpose::kActivations)];
    use.staging = used_[i][index_of(Purpose::kStaging)];
    use.reserved = taken_[i];
    use.chunks = static_cast<uint32_t>(
        std::count_if(chunks_.begin(), chunks_.end(), [&](const Held& held) { return held.heap == i; }));
    if (use.chunks > 0) heaps.push_back(use);
  }
  return heaps;
}

void MemoryPool::give_back(Allocation& allocation) {
  const std::scoped_lock lock(mutex_);
  const auto held = std::find_if(chunks_.begin(), chunks_.end(),
                                 [&](const Held& other) { return other.chunk.get() == allocation.chunk_; });
  used_[held->heap][index_of(allocation.purpose_)] -= allocation.bytes_;
  held->chunk->give_back(allocation.offset_, allocation.bytes_);
  if (!held->chunk->empty()) return;
  (held->imported ? imported_ : taken_[held->heap]) -= held->chunk->bytes();
  chunks_.erase(held);
}

}  // namespace caldera::vulkan
