// Which tensors a model is made of, in the order in which they are placed; who places them is another's
// business: a loader that reads a file, or one that makes weights up.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "kernels/kernels.hpp"
#include "model/spec.hpp"
#include "model/weights.hpp"

namespace caldera::model {

/// A tensor by its place in the model: "token_embd.weight", or "attn_q.weight" of a layer.
struct TensorName {
  std::string_view tensor;
  std::optional<uint32_t> layer;

  std::string in_file() const;  ///< "blk.3.attn_q.weight"
};

/// A tensor that must be there, with as many rows.
struct TensorRows {
  TensorName name;
  uint64_t rows;
};

/// How the rows of several tensors become the rows of one matrix.
enum class RowOrder { kConcatenated, kAlternating };

/// Puts tensors into device memory. Errors: as load_weights().
class Placer {
 public:
  virtual ~Placer() = default;
  virtual bool has(const TensorName& name) = 0;
  /// Tensors of `columns` columns as one matrix, where their formats and the way of loading allow it, or each
  /// as one.
  virtual Joined matrices(const std::vector<TensorRows>& tensors, uint64_t columns, RowOrder order) = 0;
  /// Vectors one after the other, as f32; `rows` of each is its length. The address of the first.
  virtual uint64_t vectors(const std::vector<TensorRows>& tensors) = 0;
  /// A vector as floats in host memory.
  virtual std::vector<float> host_vector(const TensorName& name, uint64_t length) = 0;

  kernels::Matrix matrix(const TensorRows& tensor, uint64_t columns) {
    return matrices({tensor}, columns, RowOrder::kConcatenated).parts.at(0);
  }
};

/// Asks `placer` for everything that a model of this spec needs. What is read for every token comes first,
/// and an embedding table, of which a token needs one row, last: where memory of two speeds is filled, the
/// first get the fast. The memory stays the placer's.
Weights place_weights(Placer& placer, const ModelSpec& spec);

/// Rows of a matrix in one piece of memory of at most `max_allocation` bytes: a whole number of what products
/// make int8 vectors of, or at least of pairs of gate and up.
uint64_t segment_rows(uint64_t max_allocation, uint64_t row_bytes);

/// What memory weights are to leave to the context, in bytes.
struct ContextRoom {
  uint64_t least = 0;   ///< without which there is no use in loading
  uint64_t wished = 0;  ///< for which, on a discrete device, weights make room in near memory
};

/// A device's memory while weights are placed. Make it after what holds the allocations: it waits for uploads
/// when it goes, which must not find their targets gone.
class PreparedMemory {
 public:
  /// Checks that weights of these sizes and the context fit, and tells the pool what will come. Errors:
  /// kMemory, before anything is allocated.
  PreparedMemory(vulkan::Device& device, const std::vector<uint64_t>& sizes, const ContextRoom& context);
  ~PreparedMemory();
  PreparedMemory(const PreparedMemory&) = delete;
  PreparedMemory& operator=(const PreparedMemory&) = delete;

 private:
  vulkan::Device& device_;
};

}  // namespace caldera::model
