#include "vulkan/memory_chunk.hpp"

#include <algorithm>
#include <bit>

namespace caldera::vulkan {

VkBufferCreateInfo buffer_info(uint64_t bytes) {
  VkBufferCreateInfo info{VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO};
  info.size = bytes;
  info.usage = VK_BUFFER_USAGE_STORAGE_BUFFER_BIT | VK_BUFFER_USAGE_SHADER_DEVICE_ADDRESS_BIT |
               VK_BUFFER_USAGE_TRANSFER_SRC_BIT | VK_BUFFER_USAGE_TRANSFER_DST_BIT;
  return info;
}

Chunk::~Chunk() {
  vkDestroyBuffer(device_, buffer_, nullptr);
  vkFreeMemory(device_, memory_, nullptr);
}

std::unique_ptr<Chunk> Chunk::create(VkDevice device, uint32_t type, uint64_t bytes, bool map,
                                     VkResult& refusal) {
  std::unique_ptr<Chunk> chunk(new Chunk(device, bytes));
  const VkBufferCreateInfo info = buffer_info(bytes);
  refusal = vkCreateBuffer(device, &info, nullptr, &chunk->buffer_);
  if (refusal == VK_SUCCESS) refusal = chunk->open(1U << type, type, nullptr, map);
  return refusal == VK_SUCCESS ? std::move(chunk) : nullptr;
}

std::unique_ptr<Chunk> Chunk::import(VkDevice device, std::span<std::byte> memory, VkResult& refusal) {
  constexpr VkExternalMemoryHandleTypeFlagBits kHandle =
      VK_EXTERNAL_MEMORY_HANDLE_TYPE_HOST_ALLOCATION_BIT_EXT;
  const auto properties_of = reinterpret_cast<PFN_vkGetMemoryHostPointerPropertiesEXT>(
      vkGetDeviceProcAddr(device, "vkGetMemoryHostPointerPropertiesEXT"));
  refusal = VK_ERROR_EXTENSION_NOT_PRESENT;
  if (properties_of == nullptr) return nullptr;
  VkMemoryHostPointerPropertiesEXT properties{VK_STRUCTURE_TYPE_MEMORY_HOST_POINTER_PROPERTIES_EXT};
  refusal = properties_of(device, kHandle, memory.data(), &properties);
  if (refusal != VK_SUCCESS) return nullptr;

  std::unique_ptr<Chunk> chunk(new Chunk(device, memory.size()));
  VkExternalMemoryBufferCreateInfo external{VK_STRUCTURE_TYPE_EXTERNAL_MEMORY_BUFFER_CREATE_INFO};
  external.handleTypes = kHandle;
  VkBufferCreateInfo info = buffer_info(memory.size());
  info.pNext = &external;
  refusal = vkCreateBuffer(device, &info, nullptr, &chunk->buffer_);
  if (refusal != VK_SUCCESS) return nullptr;
  VkMemoryRequirements requirements{};
  vkGetBufferMemoryRequirements(device, chunk->buffer_, &requirements);
  const uint32_t types = requirements.memoryTypeBits & properties.memoryTypeBits;
  refusal = VK_ERROR_INVALID_EXTERNAL_HANDLE;
  if (types == 0 || requirements.size > memory.size()) return nullptr;
  refusal = chunk->open(types, static_cast<uint32_t>(std::countr_zero(types)), memory.data(), false);
  return refusal == VK_SUCCESS ? std::move(chunk) : nullptr;
}

VkResult Chunk::open(uint32_t type_bits, uint32_t type, const void* import, bool map) {
  VkMemoryRequirements requirements{};
  vkGetBufferMemoryRequirements(device_, buffer_, &requirements);
  if ((requirements.memoryTypeBits & type_bits) == 0) return VK_ERROR_OUT_OF_DEVICE_MEMORY;
  type_ = type;
  VkMemoryAllocateFlagsInfo flags{VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_FLAGS_INFO};
  flags.flags = VK_MEMORY_ALLOCATE_DEVICE_ADDRESS_BIT;
  VkImportMemoryHostPointerInfoEXT pointer{VK_STRUCTURE_TYPE_IMPORT_MEMORY_HOST_POINTER_INFO_EXT};
  pointer.handleType = VK_EXTERNAL_MEMORY_HANDLE_TYPE_HOST_ALLOCATION_BIT_EXT;
  pointer.pHostPointer = const_cast<void*>(import);
  if (import != nullptr) flags.pNext = &pointer;
  VkMemoryAllocateInfo allocate{VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO};
  allocate.pNext = &flags;
  allocate.allocationSize = import != nullptr ? bytes_ : requirements.size;
  allocate.memoryTypeIndex = type;
  VkResult result = vkAllocateMemory(device_, &allocate, nullptr, &memory_);
  if (result == VK_SUCCESS) result = vkBindBufferMemory(device_, buffer_, memory_, 0);
  if (result == VK_SUCCESS && map) {
    void* host = nullptr;
    result = vkMapMemory(device_, memory_, 0, VK_WHOLE_SIZE, 0, &host);
    host_ = static_cast<std::byte*>(host);
  }
  if (result != VK_SUCCESS) return result;
  VkBufferDeviceAddressInfo address{VK_STRUCTURE_TYPE_BUFFER_DEVICE_ADDRESS_INFO};
  address.buffer = buffer_;
  address_ = vkGetBufferDeviceAddress(device_, &address);
  free_.emplace(0, bytes_);
  return VK_SUCCESS;
}

std::optional<uint64_t> Chunk::take(uint64_t bytes) {
  const auto place =
      std::find_if(free_.begin(), free_.end(), [&](const auto& gap) { return gap.second >= bytes; });
  if (place == free_.end()) return std::nullopt;
  const auto [offset, length] = *place;
  free_.erase(place);
  if (length > bytes) free_.emplace(offset + bytes, length - bytes);
  return offset;
}

void Chunk::give_back(uint64_t offset, uint64_t bytes) {
  auto [place, inserted] = free_.emplace(offset, bytes);
  const auto next = std::next(place);
  if (next != free_.end() && place->first + place->second == next->first) {
    place->second += next->second;
    free_.erase(next);
  }
  if (place == free_.begin()) return;
  const auto previous = std::prev(place);
  if (previous->first + previous->second != place->first) return;
  previous->second += place->second;
  free_.erase(place);
}

}  // namespace caldera::vulkan
