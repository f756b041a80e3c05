// What a model takes of a device's memory, by purpose, before anything is allocated.
#pragma once

#include <array>
#include <cstdint>

#include "plan/model_shape.hpp"
#include "plan/topology.hpp"
#include "plan/working_memory.hpp"

namespace caldera::plan {

inline constexpr size_t kParts = 6;  ///< of enum Part

/// Host memory that a file is read through, if nobody says otherwise.
inline constexpr uint64_t kUsualRing = uint64_t{256} << 20;

/// How a model is to be used.
struct Use {
  uint32_t context = 0;  ///< most tokens of a sequence; 0: as trained
  uint32_t sequences = 1;
  uint32_t prefill_rows = 0;  ///< as LoadOptions
  uint64_t ring_bytes = 0;    ///< as LoadOptions
  KvFormats kv;
  bool keep_kv = false;  ///< as LoadOptions
};

/// Bytes of the tensors of a shape in their resident layout (all of its `count`), rounded as the memory pool
/// does; by bits per weight where there is no such layout yet.
uint64_t resident_bytes(const TensorShape& tensor);

/// Bytes of weights by Part.
struct WeightBytes {
  std::array<uint64_t, kParts> by_part{};
  uint64_t of(Part part) const { return by_part[static_cast<size_t>(part)]; }
  uint64_t total() const;
};
WeightBytes weight_bytes(const ModelShape& shape);

/// Bytes of the model's tensors in a file.
uint64_t file_bytes(const ModelShape& shape);

/// Whether there are kernels for the formats of all its weights.
bool computable(const ModelShape& shape);

/// Bytes of keys and values of one token.
uint64_t kv_bytes_per_token(const ModelShape& shape, KvFormats formats);

/// All in bytes.
struct Footprint {
  WeightBytes weights;
  uint64_t kv = 0;           ///< of all sequences when they are full
  uint64_t activations = 0;  ///< activations, logits, tables, batches, the state of sequences
  /// Host memory that the file is read through: free again before KV memory is needed, so no part of the
  /// total.
  uint64_t ring = 0;
  uint64_t kept_kv = 0;  ///< of host memory: copies of keys and values; no part of the total either
  uint64_t total() const { return weights.total() + kv + activations; }
};

/// `matrix_units`: as in Topology.
Footprint footprint(const ModelShape& shape, const Use& use, DeviceType device, bool matrix_units = false);

}  // namespace caldera::plan
