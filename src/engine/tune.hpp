// Tuning a model's products on purpose, and forgetting what was found.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "caldera/model.hpp"
#include "kernels/matrix_tuner.hpp"
#include "kernels/tuned_product.hpp"
#include "plan/model_shape.hpp"

namespace caldera::engine {

struct TuneRequest {
  std::vector<uint32_t> sequences = {1};  ///< decoded together; each 1 to 8
  /// Tokens of batches of a prompt, each rounded up to a power of two; 0: none. Not said: 512 and the largest
  /// that prompts are read in.
  std::optional<std::vector<uint32_t>> prompts;
  double seconds = 10;  ///< most time to spend for each of all these
  LoadOptions load;     ///< device, memory limit, way of loading
};

struct TuneReport {
  DeviceInfo device;
  bool tunable = false;          ///< whether decoding on this device has anything to tune
  bool prompts_tunable = false;  ///< and reading prompts
  std::vector<kernels::TunedProduct> products;
  std::vector<kernels::TunedTiles> prompt_products;
  double seconds = 0;          ///< that tuning took
  std::filesystem::path file;  ///< where it is remembered; empty: nowhere
};

/// The most tokens of a batch that can be tuned for.
inline constexpr uint32_t kMostBatch = 4096;

/// Loads a GGUF file and tunes for it, whatever is remembered. Errors: as Model::load; kUsage.
TuneReport tune(const std::filesystem::path& model, const TuneRequest& request);

/// The same for a model of random weights. Errors: as bench().
TuneReport tune(const plan::ModelShape& shape, const TuneRequest& request);

/// Deletes what is remembered for a device, and returns the file that is gone; nothing if there was none.
/// Errors: kDevice; kFile when the file cannot be deleted.
std::optional<std::filesystem::path> forget_tuning(const std::string& device);

}  // namespace caldera::engine
