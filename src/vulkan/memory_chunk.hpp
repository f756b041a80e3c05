// One allocation of the driver's with the buffer over it, and which parts of it are handed out.
#pragma once

#include <vulkan/vulkan.h>

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>

namespace caldera::vulkan {

/// Every offset handed out is a multiple of this: the widest loads and the strictest copy alignment.
inline constexpr uint64_t kChunkAlignment = 256;

class Chunk {
 public:
  /// Memory of a type, mapped if asked for. Null when the driver refuses: then `refusal` says how.
  static std::unique_ptr<Chunk> create(VkDevice device, uint32_t type, uint64_t bytes, bool map,
                                       VkResult& refusal);
  /// The host's own memory, which the device reads and writes where it is (VK_EXT_external_memory_host);
  /// `memory` begins and ends on the device's alignment for it and outlives the chunk. Null as above.
  static std::unique_ptr<Chunk> import(VkDevice device, std::span<std::byte> memory, VkResult& refusal);
  ~Chunk();
  Chunk(const Chunk&) = delete;
  Chunk& operator=(const Chunk&) = delete;

  /// The first free place of `bytes`, now taken.
  std::optional<uint64_t> take(uint64_t bytes);
  void give_back(uint64_t offset, uint64_t bytes);
  bool empty() const { return free_.size() == 1 && free_.begin()->second == bytes_; }

  VkBuffer buffer() const { return buffer_; }
  uint64_t bytes() const { return bytes_; }
  uint64_t address() const { return address_; }  ///< GPU virtual address
  std::byte* host() const { return host_; }      ///< where it is mapped, or null
  uint32_t type() const { return type_; }        ///< index of the memory type

 private:
  Chunk(VkDevice device, uint64_t bytes) : device_(device), bytes_(bytes) {}
  VkResult open(uint32_t type_bits, uint32_t type, const void* import, bool map);

  VkDevice device_;
  uint64_t bytes_;
  uint32_t type_ = 0;
  VkBuffer buffer_ = VK_NULL_HANDLE;
  VkDeviceMemory memory_ = VK_NULL_HANDLE;
  uint64_t address_ = 0;
  std::byte* host_ = nullptr;
  std::map<uint64_t, uint64_t> free_;  ///< offset to length, never touching each other
};

/// What our buffers may do, with or without memory that is imported.
VkBufferCreateInfo buffer_info(uint64_t bytes);

}  // namespace caldera::vulkan
