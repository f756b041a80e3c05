// How fast a model reads prompts and decodes on this machine, beside what its memory allows.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "caldera/model.hpp"
#include "engine/bench_report.hpp"
#include "plan/model_shape.hpp"

namespace caldera::engine {

struct BenchProgress {
  std::string what;  ///< "reading 512 tokens at depth 0, 2 of 5"
  uint64_t done = 0;
  uint64_t total = 0;
};

struct BenchOptions {
  std::vector<uint32_t> prompts = {512};  ///< tokens of each prompt test; 0: none
  std::vector<uint32_t> decodes = {128};  ///< steps of each decode test; 0: none
  std::vector<uint32_t> depths = {0};     ///< tokens in the context before each test
  std::vector<uint32_t> sequences = {1};  ///< decoded together in each decode test
  uint32_t repeats = 5;
  bool profile = false;  ///< after each test, time the dispatches of some steps or prompts like its own
  /// Device, memory limit, way of loading, size of prefill batches, validation. The context is what the tests
  /// need, for as many sequences.
  LoadOptions load;
  /// Called often; returning false ends the bench with Error (kUsage) "the bench was cancelled".
  std::function<bool(const BenchProgress&)> progress;
};

/// Loads a GGUF file and measures. Errors: as Model::load; kUsage (no test, or too many
/// tokens or sequences); kDevice (a profile without timestamps).
BenchReport bench(const std::filesystem::path& model, const BenchOptions& options);

/// Measures a model of random weights. Errors: kMemory before anything is placed, when it does not fit;
/// kUnsupported (see model::synthesize), kDevice, kUsage.
BenchReport bench(const plan::ModelShape& shape, const BenchOptions& options);

}  // namespace caldera::engine
