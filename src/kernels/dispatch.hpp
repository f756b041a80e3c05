// What the files of this room share to dispatch their operations.
#pragma once

#include <algorithm>
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

/// How rows of a matrix lie, for a kernel that reads them.
template <class Constants>
void set_layout(Constants& constants, const Matrix& matrix) {
  constants.columns = matrix.columns;
  constants.row_bytes = matrix.layout.row_bytes;
  constants.plane1 = matrix.layout.plane[1];
  constants.plane2 = matrix.layout.plane[2];
  constants.plane3 = matrix.layout.plane[3];
}

/// Calls `visit` with runs of rows that one dispatch each computes: segments, cut where they have more than
/// `most` rows, which the limit on workgroups asks for.
template <class Visit>
void for_each_part(const Matrix& matrix, uint32_t most, const Visit& visit) {
  for (const Segment& segment : matrix.segments) {
    for (uint32_t done = 0; done < segment.rows; done += most) {
      visit(Segment{segment.address + uint64_t{done} * matrix.layout.row_bytes, segment.first_row + done,
                    std::min(most, segment.rows - done)});
    }
  }
}

/// Wide loads from a misaligned address give nonsense or lose the device. Errors: kInternal.
void check_alignment(const Matrix& matrix);

}  // namespace caldera::kernels
