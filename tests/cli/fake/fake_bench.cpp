// A test double of the bench: figures that are known, and what it was asked for in the model's name.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <chrono>
#include <thread>

#include "caldera/error.hpp"
#include "engine/bench.hpp"

namespace caldera::engine {
namespace {

BenchReport report_of(const std::string& name, const BenchOptions& options) {
  for (uint64_t i = 0; i < 50 && name.ends_with("slow"); ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    if (options.progress && !options.progress({"reading", i, 50})) {
      throw Error(ErrorKind::kUsage, "the bench was cancelled");
    }
  }
  BenchReport report;
  report.name = name;
  report.architecture = "fake";
  report.format = "Q4_1";
  report.parameters = 134515008;
  report.device = list_devices(options.load.device).front();
  report.memory.weights = uint64_t{94} << 20;
  report.load_seconds = 0.5;
  report.step = {.dispatches = 3, .barriers = 2};
  if (options.load.memory_limit != 1) report.read_bandwidth = 10;
  for (const uint32_t depth : options.depths) {
    for (const uint32_t tokens : options.prompts) {
      BenchTest test{BenchKind::kPrompt, tokens, depth, {}};
      test.seconds.assign(options.repeats, tokens / 1000.0);
      report.tests.push_back(test);
    }
    for (const uint32_t tokens : options.decodes) {
      BenchTest test{BenchKind::kDecode, tokens, depth, {}};
      test.seconds.assign(options.repeats, tokens / 50.0);
      test.seconds.front() = tokens / 40.0;
      test.weight_bytes = 90000000;
      test.kv_bytes = uint64_t{1000} * depth;
      report.tests.push_back(test);
    }
  }
  return report;
}

}  // namespace

BenchReport bench(const std::filesystem::path& model, const BenchOptions& options) {
  return report_of(model.string(), options);
}

BenchReport bench(const plan::ModelShape& shape, const BenchOptions& options) {
  BenchReport report = report_of(shape.name, options);
  report.synthetic = true;
  return report;
}

}  // namespace caldera::engine
