// A test double of the bench: figures that are known, and what it was asked for in the model's name.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <chrono>
#include <thread>

#include "caldera/error.hpp"
#include "engine/bench.hpp"

namespace caldera::engine {
namespace {

BenchTest prompt(uint32_t tokens, uint32_t depth, const BenchOptions& options) {
  BenchTest test;
  test.tokens = tokens;
  test.depth = depth;
  test.seconds.assign(options.repeats, tokens / 1000.0);
  test.longest_submissions.assign(options.repeats, 0.0625);
  return test;
}

BenchTest decode(uint32_t tokens, uint32_t depth, uint32_t sequences, const BenchOptions& options) {
  BenchTest test;
  test.kind = BenchKind::kDecode;
  test.tokens = tokens;
  test.depth = depth;
  test.sequences = sequences;
  test.seconds.assign(options.repeats, tokens / 50.0);
  test.seconds.front() = tokens / 40.0;
  test.longest_submissions.assign(options.repeats, 0.02);
  test.longest_submissions.back() = 0.025;
  test.cpu_seconds.assign(options.repeats, tokens * sequences * 12.5e-6);
  test.weight_bytes = 90000000;
  test.kv_bytes = uint64_t{1000} * depth * sequences;
  if (options.profile) {
    test.profile = Profile{
        16, 3,     2,     {{"matvec_Q4_1 64x32", 2, 0.015, 0.0075, 60000000}, {"norm", 1, 0.003, 0.003, 0}},
        2,  0.002, 0.001, 0.02};
  }
  return test;
}

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
  if (options.load.memory_limit == 2) report.matrix_speed = 0.5;
  report.kv_formats = options.load.kv;
  report.kv = {{0, 1000}};
  report.prompt_work = {.weights = 106000000, .output_weights = 28000000, .attention = {{0, 69120}}};
  for (const uint32_t depth : options.depths) {
    for (const uint32_t tokens : options.prompts) {
      if (tokens > 0) report.tests.push_back(prompt(tokens, depth, options));
    }
    for (const uint32_t sequences : options.sequences) {
      for (const uint32_t tokens : options.decodes) {
        report.tests.push_back(decode(tokens, depth, sequences, options));
      }
    }
    report.context = std::max(report.context, depth + 17);
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
