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

/// Tokens of a usual prompt, and of a context in which prompts are read in the largest batches of any device.
constexpr uint32_t kUsualPrompt = 512;
constexpr uint32_t kUsualBatches = 2048;

/// Load options for an engine that nobody talks to.
LoadOptions settled(const TuneRequest& request) {
  if (request.prompts && request.prompts->empty())
    throw Error(ErrorKind::kUsage, "no batches of prompts were named: 0 means none");
  if (request.sequences.empty() || std::ranges::min(request.sequences) == 0 ||
      std::ranges::max(request.sequences) > plan::kMaxSequences) {
    throw Error(ErrorKind::kUsage,
                fmt::format("from 1 to {} sequences can be decoded together", plan::kMaxSequences));
  }
  LoadOptions load = request.load;
  load.context = kernels::kPageTokens;
  if (!request.prompts) {
    load.context = kUsualBatches;
  } else if (const uint32_t most = std::ranges::max(*request.prompts); most > 0) {
    if (most > kMostBatch) {
      throw Error(
          ErrorKind::kUsage,
          fmt::format("batches of {} tokens were asked for: up to {} can be tuned for", most, kMostBatch));
    }
    load.prefill_rows = std::bit_ceil(most);
    load.context = std::max(load.context, load.prefill_rows);
  }
  load.sequences = std::ranges::max(request.sequences);
  load.recoveries = 0;
  load.tuning = Tuning::kOff;  // until everything is ready
  return load;
}

void tune_batch(Engine& engine, uint32_t tokens, const TuneRequest& request, TuneReport& report) {
  const std::vector<kernels::TunedTiles> products =
      engine.tune_batch(tokens, {.budget = std::chrono::duration<double>(request.seconds), .again = true});
  report.prompt_products.insert(report.prompt_products.end(), products.begin(), products.end());
}

void tune_steps(Engine& engine, const TuneRequest& request, TuneReport& report) {
  std::set<uint32_t> done;
  for (const uint32_t sequences : request.sequences) {
    if (!done.insert(std::bit_ceil(sequences)).second) continue;
    if (engine.steps_as_prompts(sequences)) {
      tune_batch(engine, std::bit_ceil(sequences), request, report);
      continue;
    }
    const std::vector<kernels::TunedProduct> products =
        engine.tune(sequences, {.budget = std::chrono::duration<double>(request.seconds), .again = true});
    report.products.insert(report.products.end(), products.begin(), products.end());
  }
}

void tune_prompts(Engine& engine, const TuneRequest& request, TuneReport& report) {
  std::set<uint32_t> sizes;
  for (const uint32_t tokens : request.prompts.value_or(std::vector{kUsualPrompt, engine.most_read()})) {
    if (tokens > 0) sizes.insert(std::bit_ceil(std::min(tokens, engine.most_read())));
  }
  for (const uint32_t tokens : sizes) tune_batch(engine, tokens, request, report);
}

TuneReport tune(Engine& engine, const TuneRequest& request) {
  const auto start = std::chrono::steady_clock::now();
  const std::scoped_lock lock(engine.mutex());
  TuneReport report;
  report.device = engine.device_info();
  report.tunable = engine.tunable();
  report.prompts_tunable = engine.prompts_tunable();
  if (report.tunable || report.prompts_tunable) report.file = engine.tuning_file();
  tune_steps(engine, request, report);
  if (report.prompts_tunable) tune_prompts(engine, request, report);
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
