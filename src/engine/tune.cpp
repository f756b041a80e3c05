#include "engine/tune.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <chrono>
#include <set>

#include "caldera/error.hpp"
#include "engine/cache_folder.hpp"
#include "engine/synthetic_engine.hpp"
#include "kernels/product_memory.hpp"

namespace caldera::engine {
namespace {

/// Load options for an engine that nobody talks to.
LoadOptions settled(const TuneRequest& request) {
  if (request.sequences.empty() || std::ranges::min(request.sequences) == 0 ||
      std::ranges::max(request.sequences) > kMaxSequences) {
    throw Error(ErrorKind::kUsage,
                fmt::format("from 1 to {} sequences can be decoded together", kMaxSequences));
  }
  LoadOptions load = request.load;
  load.context = kernels::kPageTokens;
  load.sequences = std::ranges::max(request.sequences);
  load.recoveries = 0;
  load.tuning = Tuning::kOff;  // until everything is ready
  return load;
}

TuneReport tune(Engine& engine, const TuneRequest& request) {
  const auto start = std::chrono::steady_clock::now();
  const std::scoped_lock lock(engine.mutex());
  TuneReport report;
  report.device = engine.device_info();
  report.tunable = engine.tunable();
  report.file = report.tunable ? engine.tuning_file() : std::filesystem::path();
  std::set<uint32_t> done;
  for (const uint32_t sequences : request.sequences) {
    if (!done.insert(std::bit_ceil(sequences)).second) continue;
    const std::vector<kernels::TunedProduct> products =
        engine.tune(sequences, {.budget = std::chrono::duration<double>(request.seconds), .again = true});
    report.products.insert(report.products.end(), products.begin(), products.end());
  }
  report.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return report;
}

}  // namespace

TuneReport tune(const std::filesystem::path& model, const TuneRequest& request) {
  const LoadOptions load = settled(request);
  const gguf::File file = gguf::File::open(model);
  Engine engine(file, model::read_spec(file), load);
  return tune(engine, request);
}

TuneReport tune(const plan::ModelShape& shape, const TuneRequest& request) {
  const LoadOptions load = settled(request);
  demand_fit(shape, load);
  const std::unique_ptr<Engine> engine = synthetic_engine(shape, load);
  return tune(*engine, request);
}

std::optional<std::filesystem::path> forget_tuning(const std::string& device) {
  const vulkan::Instance instance;
  vulkan::Device chosen(instance, instance.choose(device));
  const std::filesystem::path file =
      kernels::product_memory_file(vulkan::PipelineStore(chosen, cache_folder()));
  std::error_code failed;
  const bool removed = !file.empty() && std::filesystem::remove(file, failed);
  if (failed) {
    throw Error(ErrorKind::kFile, fmt::format("{}: cannot delete: {}", file.string(), failed.message()));
  }
  return removed ? std::optional(file) : std::nullopt;
}

}  // namespace caldera::engine
