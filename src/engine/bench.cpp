#include "engine/bench.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <map>

#include "caldera/error.hpp"
#include "engine/bandwidth.hpp"
#include "engine/bench_runner.hpp"
#include "engine/engine.hpp"
#include "engine/kv_reads.hpp"
#include "engine/matrix_speed.hpp"
#include "engine/synthetic_engine.hpp"
#include "gguf/file.hpp"
#include "plan/limits.hpp"
#include "quant/format.hpp"

namespace caldera::engine {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

/// Calls `visit` with every matrix of the layers.
template <class Visit>
void each_layer_matrix(const model::Weights& weights, Visit visit) {
  for (const model::LayerWeights& layer : weights.layers) {
    for (const kernels::Matrix& part : layer.qkv.parts) visit(part);
    visit(layer.attention_output);
    for (const kernels::Matrix& part : layer.gate_up.parts) visit(part);
    visit(layer.down);
  }
}

/// Calls `visit` with every matrix that one decoded token reads.
template <class Visit>
void each_matrix(const model::Weights& weights, Visit visit) {
  each_layer_matrix(weights, visit);
  visit(weights.output());
}

uint64_t elements(const kernels::Matrix& matrix) {
  return uint64_t{matrix.rows} * matrix.columns;
}

/// The format that most weights are in.
std::string main_format(const model::Weights& weights) {
  std::map<quant::Format, uint64_t> sizes;
  each_matrix(weights, [&](const kernels::Matrix& matrix) { sizes[matrix.format] += elements(matrix); });
  const auto most = std::max_element(sizes.begin(), sizes.end(),
                                     [](const auto& a, const auto& b) { return a.second < b.second; });
  return std::string(quant::info(most->first).name);
}

/// What the layers read of KV memory, those with the same window together.
std::vector<KvReads> kv_reads(const model::ModelSpec& spec, KvFormats kv) {
  std::map<uint32_t, uint64_t> bytes;
  for (const model::LayerSpec& layer : spec.layers) {
    bytes[layer.window] += kv_bytes_per_token(layer.kv_heads, layer.head, kv);
  }
  std::vector<KvReads> reads;
  reads.reserve(bytes.size());
  for (const auto& [window, of_token] : bytes) reads.push_back({window, of_token});
  return reads;
}

PromptWork prompt_work(const model::ModelSpec& spec, const model::Weights& weights) {
  PromptWork work;
  each_layer_matrix(weights, [&](const kernels::Matrix& matrix) { work.weights += elements(matrix); });
  work.output_weights = elements(weights.output());
  std::map<uint32_t, uint64_t> flop;
  // A query's product with a key, and its weight's with a value: head multiplications and additions each.
  for (const model::LayerSpec& layer : spec.layers)
    flop[layer.window] += 4 * uint64_t{layer.heads} * layer.head;
  for (const auto& [window, of_key] : flop) work.attention.push_back({window, of_key});
  return work;
}

/// Sorted, each once, without zeros unless `zeros`.
std::vector<uint32_t> tidy(std::vector<uint32_t> values, bool zeros) {
  std::sort(values.begin(), values.end());
  values.erase(std::unique(values.begin(), values.end()), values.end());
  if (!zeros) std::erase(values, 0U);
  return values;
}

/// Options with what the tests have in common settled. Errors: kUsage.
BenchOptions settled(BenchOptions options) {
  options.prompts = tidy(options.prompts, false);
  options.decodes = tidy(options.decodes, false);
  options.depths = tidy(options.depths, true);
  options.sequences = tidy(options.sequences, false);
  if (options.depths.empty() || (options.prompts.empty() && options.decodes.empty()) ||
      options.repeats == 0) {
    throw Error(ErrorKind::kUsage, "there is nothing to measure: ask for tokens to read or to decode");
  }
  if (options.sequences.empty() || options.sequences.back() > plan::kMaxSequences) {
    throw Error(ErrorKind::kUsage,
                fmt::format("from 1 to {} sequences can be decoded together", plan::kMaxSequences));
  }
  const uint64_t deepest = options.depths.back();
  uint64_t longest = 0;
  if (!options.prompts.empty()) longest = options.prompts.back();
  if (!options.decodes.empty()) longest = std::max<uint64_t>(longest, uint64_t{options.decodes.back()} + 1);
  if (deepest + longest > model::kMaxContext) {
    throw Error(ErrorKind::kUsage, fmt::format("the tests need a context of {} tokens: up to {} are possible",
                                               deepest + longest, model::kMaxContext));
  }
  options.load.context = static_cast<uint32_t>(deepest + longest);
  options.load.sequences = options.sequences.back();
  options.load.recoveries = 0;  // what is measured across a loss is nothing
  options.load.progress = [progress = options.progress](const LoadProgress& load) {
    return !progress || progress({"placing weights", load.bytes_done, load.bytes_total});
  };
  return options;
}

std::optional<double> measured_bandwidth(const BenchOptions& options, plan::Reach reach) {
  if (options.progress && !options.progress({"measuring the read bandwidth", 0, 1})) {
    throw Error(ErrorKind::kUsage, "the bench was cancelled");
  }
  return read_bandwidth(options.load.device, reach);
}

std::optional<double> measured_matrix_speed(const BenchOptions& options) {
  if (options.prompts.empty()) return std::nullopt;
  if (options.progress && !options.progress({"measuring the matrix units", 0, 1})) {
    throw Error(ErrorKind::kUsage, "the bench was cancelled");
  }
  return matrix_speed(options.load.device);
}

/// All tests on an engine that `make` makes.
template <class Make>
BenchReport run(const BenchOptions& options, Make make) {
  BenchReport report;
  // Before the weights take the memory that measuring needs.
  report.read_bandwidth = measured_bandwidth(options, plan::Reach::kNear);
  report.matrix_speed = measured_matrix_speed(options);
  const auto start = Clock::now();
  const std::unique_ptr<Engine> engine = make();
  report.load_seconds = seconds_since(start);
  const std::scoped_lock lock(engine->mutex());
  report.name = engine->spec().name;
  report.architecture = engine->spec().architecture;
  report.format = main_format(engine->weights());
  report.parameters = engine->parameters();
  report.context = engine->context();
  report.device = engine->device_info();
  report.load = engine->load_report();
  report.kv = kv_reads(engine->spec(), options.load.kv);
  report.kv_formats = options.load.kv;
  report.prompt_work = prompt_work(engine->spec(), engine->weights());
  uint64_t weight_bytes = 0;
  each_matrix(engine->weights(), [&](const kernels::Matrix& matrix) {
    weight_bytes += uint64_t{matrix.rows} * matrix.layout.row_bytes;
  });
  {
    BenchRunner runner(*engine, options);
    const auto add = [&](BenchTest test) {
      if (test.kind == BenchKind::kDecode) {
        test.weight_bytes = weight_bytes;
        test.far_bytes = std::min(engine->memory().far_weights, weight_bytes);
        for (uint32_t i = 0; i < test.tokens; ++i) test.kv_bytes += report.kv_bytes(test.depth + i);
        test.kv_bytes = test.kv_bytes * test.sequences / test.tokens;
      }
      report.tests.push_back(std::move(test));
    };
    for (const uint32_t depth : options.depths) {
      for (const uint32_t tokens : options.prompts) add(runner.prompt(tokens, depth));
      for (const uint32_t sequences : options.sequences) {
        for (const uint32_t steps : options.decodes) add(runner.decode(steps, depth, sequences));
      }
    }
    report.memory = engine->memory();
  }
  report.step = engine->decode_shape();
  report.validation_messages = engine->validation_messages();
  if (report.memory.far_weights > 0) {
    report.far_read_bandwidth = measured_bandwidth(options, plan::Reach::kFar);
  }
  return report;
}

}  // namespace

BenchReport bench(const std::filesystem::path& model, const BenchOptions& options) {
  const BenchOptions all = settled(options);
  const gguf::File file = gguf::File::open(model);
  const model::ModelSpec spec = model::read_spec(file);
  BenchReport report = run(all, [&] { return std::make_unique<Engine>(file, spec, all.load); });
  if (report.name.empty()) report.name = model.filename().string();
  return report;
}

BenchReport bench(const plan::ModelShape& shape, const BenchOptions& options) {
  const BenchOptions all = settled(options);
  demand_fit(shape, all.load);
  BenchReport report = run(all, [&] { return synthetic_engine(shape, all.load); });
  report.synthetic = true;
  return report;
}

}  // namespace caldera::engine
