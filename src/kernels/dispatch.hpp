// What the files of this room share to dispatch their operations.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "kernels/kernels.hpp"
#include "kernels/state.hpp"
#include "vulkan/pipeline_store.hpp"

namespace caldera::kernels {

/// A kernel's push constants as bytes.
template <class T>
std::span<const std::byte> bytes_of(const T& constants) {
  static_assert(sizeof(T) <= vulkan::kMaxConstantBytes);
  return std::as_bytes(std::span(&constants, 1));
}

constexpr uint32_t divide_up(uint32_t value, uint32_t by) {
  return (value + by - 1) / by;
}

/// The batch's head and entries as a range: what the sampler writes and everyone reads.
inline Range batch_range(uint64_t address) {
  return {address, sizeof(BatchHead)};
}

/// Wide loads from a misaligned address give nonsense or lose the device. Errors: kInternal.
void check_alignment(const Matrix& matrix);

}  // namespace caldera::kernels
