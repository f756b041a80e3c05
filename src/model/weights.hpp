// Placing a model's tensors in device memory.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "caldera/model.hpp"
#include "gguf/file.hpp"
#include "gguf/mapped_file.hpp"
#include "kernels/kernels.hpp"
#include "model/spec.hpp"
#include "vulkan/device.hpp"

namespace caldera::model {

/// A matrix of one layer that may have been laid out as one (queries, keys and values; gate and up) or, where
/// the file's formats differ or its own layout is kept, in parts.
struct Joined {
  std::vector<kernels::Matrix> parts;  ///< one if joined
  uint64_t bias = 0;                   ///< (all rows) f32, or 0
};

struct LayerWeights {
  uint64_t attention_norm = 0;
  Joined qkv;
  uint64_t query_norm = 0;
  uint64_t key_norm = 0;
  kernels::Matrix attention_output;
  uint64_t attention_output_bias = 0;
  uint64_t ffn_norm = 0;
  Joined gate_up;  ///< joined: rows alternate gate and up; in parts: gate, up
  kernels::Matrix down;
};

/// All of a model's weights, resident. Owns their memory.
struct Weights {
  kernels::Matrix embedding;
  std::optional<kernels::Matrix> output_matrix;  ///< absent when tied to the embedding
  uint64_t output_norm = 0;
  std::vector<LayerWeights> layers;
  std::vector<float> rope_factors;  ///< rope_freqs.weight, or empty
  uint64_t parameters = 0;
  LoadReport report;                     ///< how they came there
  std::vector<gguf::MappedFile> mapped;  ///< what `memory` was imported from, which it must not outlive
  std::vector<vulkan::Allocation> memory;

  const kernels::Matrix& output() const { return output_matrix ? *output_matrix : embedding; }
};

/// Called with bytes read of the file and bytes to read; returning false cancels.
using LoadCallback = std::function<bool(uint64_t done, uint64_t total)>;

struct WeightOptions {
  LoadWay way = LoadWay::kAuto;
  uint64_t ring_bytes = 0;      ///< see LoadOptions
  uint64_t context_least = 0;   ///< see ContextRoom
  uint64_t context_wished = 0;  ///< see ContextRoom
};

/// Places every tensor: copies it through a ring of host memory, repacked, or imports the mapped file. First
/// looks whether everything is there and fits: a model of 80 GB is refused before it is read. Errors: kFormat
/// (a tensor missing or of the wrong shape, named), kUnsupported (a tensor we would have to ignore, a format
/// we cannot compute with), kFile (with tensor and place), kMemory, kDevice (import asked for and refused),
/// kUsage when cancelled.
Weights load_weights(const gguf::File& file, const ModelSpec& spec, vulkan::Device& device,
                     const LoadCallback& progress, const WeightOptions& options = {});

}  // namespace caldera::model
