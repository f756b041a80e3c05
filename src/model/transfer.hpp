// Moving rows of tensors from a file into device memory: reads, repacking and writing overlap, and no more of
// the file is in host memory than a ring holds.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "gguf/file.hpp"
#include "quant/resident.hpp"
#include "vulkan/device.hpp"

namespace caldera::model {

/// Rows that lie together in device memory, and where they come from.
struct Transfer {
  /// A tensor, and its row that is the first of these; two tensors alternate.
  struct Source {
    const gguf::Tensor* tensor;
    uint64_t first_row;
  };
  std::vector<Source> sources;
  uint64_t rows = 0;  ///< in device memory, of all sources together
  quant::RowLayout layout;
  size_t memory = 0;    ///< index of the allocation
  uint64_t offset = 0;  ///< bytes into it
};

/// The most host memory that may be asked for to read a file through; see plan::kUsualRing.
inline constexpr uint64_t kMaxRing = uint64_t{1} << 30;

/// Moves everything, in the order of the file. `moved` is called with bytes of the file as they arrive and
/// may throw, which ends the transfer. Returns how the file was read. Errors: kFile (a read failed, or the
/// file was changed underneath: tensor and place), kMemory.
std::string run_transfers(const gguf::File& file, vulkan::Device& device, std::vector<Transfer> transfers,
                          const std::vector<vulkan::Allocation>& memory, uint64_t ring_bytes,
                          const std::function<void(uint64_t bytes)>& moved);

}  // namespace caldera::model
