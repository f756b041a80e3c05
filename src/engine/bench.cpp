#include "engine/bench.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <deque>
#include <map>
#include <random>

#include "caldera/error.hpp"
#include "engine/bandwidth.hpp"
#include "engine/device_topology.hpp"
#include "engine/engine.hpp"
#include "gguf/file.hpp"
#include "model/synthetic.hpp"
#include "plan/plan.hpp"
#include "quant/format.hpp"

namespace caldera::engine {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

/// Calls `visit` with every matrix that one decoded token reads.
template <class Visit>
void each_matrix(const model::Weights& weights, Visit visit) {
  for (const model::LayerWeights& layer : weights.layers) {
    for (const kernels::Matrix& part : layer.qkv.parts) visit(part);
    visit(layer.attention_output);
    for (const kernels::Matrix& part : layer.gate_up.parts) visit(part);
    visit(layer.down);
  }
  visit(weights.output());
}

/// The format that most weights are in.
std::string main_format(const model::Weights& weights) {
  std::map<quant::Format, uint64_t> elements;
  each_matrix(weights, [&](const kernels::Matrix& matrix) {
    elements[matrix.format] += uint64_t{matrix.rows} * matrix.columns;
  });
  const auto most = std::max_element(elements.begin(), elements.end(),
                                     [](const auto& a, const auto& b) { return a.second < b.second; });
  return std::string(quant::info(most->first).name);
}

/// Bytes of keys and values that a token after `depth` others reads, its own among them.
uint64_t kv_bytes_read(const model::ModelSpec& spec, uint32_t depth) {
  uint64_t bytes = 0;
  for (const model::LayerSpec& layer : spec.layers) {
    const uint64_t keys = layer.window > 0 ? std::min(layer.window, depth + 1) : depth + 1;
    bytes += keys * layer.kv_heads * layer.head * 2 * sizeof(uint16_t);
  }
  return bytes;
}

/// Sorted, each once, without zeros unless `zeros`.
std::vector<uint32_t> tidy(std::vector<uint32_t> values, bool zeros) {
  std::sort(values.begin(), values.end());
  values.erase(std::unique(values.begin(), values.end()), values.end());
  if (!zeros) std::erase(values, 0U);
  return values;
}

/// Runs the tests on one sequence of an engine.
class Bench {
 public:
  Bench(Engine& engine, const BenchOptions& options)
      : engine_(engine), options_(options), index_(engine.open_slot()), slot_(engine.slot(index_)) {}
  ~Bench() {
    try {
      engine_.close_slot(index_);
    } catch (const Error&) {  // a lost device refuses even this
    }
  }
  Bench(const Bench&) = delete;
  Bench& operator=(const Bench&) = delete;

  BenchTest prompt(uint32_t tokens, uint32_t depth) {
    BenchTest test{BenchKind::kPrompt, tokens, depth, {}};
    repeat(test, [&](const std::string& what) {
      rewind(depth);
      append(tokens);
      slot_.reserve(depth + tokens);
      const auto start = Clock::now();
      read(what);
      return seconds_since(start);
    });
    return test;
  }

  BenchTest decode(uint32_t steps, uint32_t depth) {
    BenchTest test{BenchKind::kDecode, steps, depth, {}};
    each_matrix(engine_.weights(), [&](const kernels::Matrix& matrix) {
      test.weight_bytes += uint64_t{matrix.rows} * matrix.layout.row_bytes;
    });
    test.far_bytes = std::min(engine_.memory().far_weights, test.weight_bytes);
    for (uint32_t i = 0; i < steps; ++i) test.kv_bytes += kv_bytes_read(engine_.spec(), depth + i);
    test.kv_bytes /= steps;
    repeat(test, [&](const std::string& what) {
      rewind(depth);
      append(1);
      slot_.reserve(depth + steps + 1);
      SamplingOptions greedy;
      greedy.temperature = 0;
      engine_.begin_decode({&index_, 1});
      slot_.begin(greedy, 0, 0, {});
      const auto start = Clock::now();
      step(steps, depth, what);
      const double seconds = seconds_since(start);
      engine_.leave_decode(index_);
      return seconds;
    });
    return test;
  }

 private:
  void tell(const std::string& what, uint64_t done, uint64_t total) const {
    if (options_.progress && !options_.progress({what, done, total})) {
      throw Error(ErrorKind::kUsage, "the bench was cancelled");
    }
  }

  /// Runs once to warm up, and then as often as was asked for.
  template <class Run>
  void repeat(BenchTest& test, Run run) const {
    const std::string what =
        fmt::format("{} {} tokens at depth {}", test.kind == BenchKind::kPrompt ? "reading" : "decoding",
                    test.tokens, test.depth);
    run(what + ", warming up");
    for (uint32_t i = 1; i <= options_.repeats; ++i) {
      test.seconds.push_back(run(fmt::format("{}, {} of {}", what, i, options_.repeats)));
    }
  }

  void append(uint32_t tokens) {
    for (uint32_t i = 0; i < tokens; ++i) {
      slot_.tokens.push_back(static_cast<Token>(random_() % engine_.spec().vocabulary));
    }
  }

  void read(const std::string& what) {
    engine_.read(index_, false, [&](uint32_t done, uint32_t total) {
      tell(what, done, total);
      return true;
    });
  }

  /// Makes the sequence `depth` tokens long, all of them computed.
  void rewind(uint32_t depth) {
    engine_.wait_all();
    slot_.truncate(depth);
    if (slot_.tokens.size() == depth && slot_.computed == depth) return;
    append(depth - static_cast<uint32_t>(slot_.tokens.size()));
    read(fmt::format("filling {} tokens of context", depth));
  }

  /// Submits steps ahead, as generation does, and takes every token.
  void step(uint32_t steps, uint32_t depth, const std::string& what) {
    std::deque<uint64_t> in_flight;
    uint32_t submitted = 0;
    for (uint32_t taken = 0; taken < steps; ++taken) {
      while (submitted < steps && in_flight.size() < engine_.steps_ahead()) {
        ++submitted;
        in_flight.push_back(engine_.submit_step(depth + submitted));
      }
      engine_.wait(in_flight.front());
      in_flight.pop_front();
      static_cast<void>(slot_.drawn(taken));  // throws where the device computed nonsense
      tell(what, taken + 1, steps);
    }
  }

  Engine& engine_;
  const BenchOptions& options_;
  uint32_t index_;
  Slot& slot_;
  std::mt19937 random_{1};
};

/// Options with what the tests have in common settled. Errors: kUsage.
BenchOptions settled(BenchOptions options) {
  options.prompts = tidy(options.prompts, false);
  options.decodes = tidy(options.decodes, false);
  options.depths = tidy(options.depths, true);
  if (options.depths.empty() || (options.prompts.empty() && options.decodes.empty()) ||
      options.repeats == 0) {
    throw Error(ErrorKind::kUsage, "there is nothing to measure: ask for tokens to read or to decode");
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
  options.load.sequences = 1;
  options.load.progress = [progress = options.progress](const LoadProgress& load) {
    return !progress || progress({"placing weights", load.bytes_done, load.bytes_total});
  };
  return options;
}

/// Errors: kMemory, in the planner's words, when a model does not fit the chosen device.
void demand_fit(const plan::ModelShape& shape, const LoadOptions& load) {
  const plan::Topology topology = device_topology(load.device);
  plan::Options options;
  options.use = {.context = load.context, .sequences = load.sequences, .prefill_rows = load.prefill_rows};
  options.memory_limit = load.memory_limit;
  if (!plan::make_plan(shape, topology, options).fits) {
    throw Error(ErrorKind::kMemory, plan::why_not(shape, topology, options));
  }
}

std::optional<double> measured_bandwidth(const BenchOptions& options, plan::Reach reach) {
  if (options.progress && !options.progress({"measuring the read bandwidth", 0, 1})) {
    throw Error(ErrorKind::kUsage, "the bench was cancelled");
  }
  return read_bandwidth(options.load.device, reach);
}

/// All tests on an engine that `make` makes.
template <class Make>
BenchReport run(const BenchOptions& options, Make make) {
  BenchReport report;
  // Before the weights take the memory that measuring needs.
  report.read_bandwidth = measured_bandwidth(options, plan::Reach::kNear);
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
  {
    Bench bench(*engine, options);
    for (const uint32_t depth : options.depths) {
      for (const uint32_t tokens : options.prompts) report.tests.push_back(bench.prompt(tokens, depth));
      for (const uint32_t steps : options.decodes) report.tests.push_back(bench.decode(steps, depth));
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
  model::demand_computable(shape);
  demand_fit(shape, all.load);
  const model::ModelSpec spec = model::spec_of(shape);
  BenchReport report = run(all, [&] {
    return std::make_unique<Engine>(spec, all.load, [&](vulkan::Device& device) {
      return model::synthesize(
          shape, device,
          [&](uint64_t done, uint64_t total) {
            return all.load.progress({done, total});
          },
          context_room(spec, all.load, device.physical()));
    });
  });
  report.synthetic = true;
  return report;
}

}  // namespace caldera::engine
