// How fast every choice of a product on matrix units is, beside what the units do from registers: random
// weights in several formats and shapes, the candidates sorted by speed, and the registers that the driver
// gives each.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "caldera/error.hpp"
#include "compiled_pipeline.hpp"
#include "kernels/compilers.hpp"
#include "kernels/kernels.hpp"
#include "kernels/matrix_speed.hpp"
#include "kernels/state.hpp"
#include "model/synthetic.hpp"
#include "vulkan/stopwatch.hpp"

namespace {

using namespace caldera;

struct Options {
  std::string device;
  std::vector<std::string> formats = {"Q4_K"};
  std::vector<std::string> shapes = {"28672x4096"};
  std::vector<uint32_t> tokens = {512, 2048};
  int runs = 5;
  bool swiglu = false;
};

quant::Format format_named(const std::string& name) {
  for (const quant::FormatInfo& info : quant::formats()) {
    if (CLI::detail::to_lower(std::string(info.name)) == CLI::detail::to_lower(name)) return info.format;
  }
  throw Error(ErrorKind::kUsage, fmt::format("there is no format {}", name));
}

/// A matrix of random rows, f16 activations for it, and room for what comes out.
class Work {
 public:
  Work(vulkan::Device& device, quant::Format format, const std::string& shape, uint32_t tokens, bool swiglu)
      : device_(device), stopwatch_(device), tokens_(tokens) {
    if (std::sscanf(shape.c_str(), "%ux%u", &matrix_.rows, &matrix_.columns) != 2) {
      throw Error(ErrorKind::kUsage,
                  fmt::format("'{}' is no shape: write rows and columns, 4096x14336", shape));
    }
    matrix_.format = format;
    matrix_.layout = quant::row_layout(format, matrix_.columns);
    const auto allocate = [&](uint64_t bytes, vulkan::Residency residency) {
      return device.memory().allocate(bytes, residency, vulkan::Purpose::kActivations, "products");
    };
    weights_ = allocate(uint64_t{matrix_.rows} * matrix_.layout.row_bytes, vulkan::Residency::kDevice);
    x_ = allocate(uint64_t{tokens} * matrix_.columns * 2, vulkan::Residency::kDevice);
    out_ = allocate(uint64_t{tokens} * matrix_.rows * sizeof(float), vulkan::Residency::kDevice);
    part_sums_ = allocate(uint64_t{kernels::kMostMatrixParts} * tokens * matrix_.rows * sizeof(float),
                          vulkan::Residency::kDevice);
    part_counters_ = allocate(uint64_t{matrix_.rows / 16 + 1} * (tokens / 16 + 1) * sizeof(uint32_t),
                              vulkan::Residency::kDevice);
    batch_ = allocate(kernels::batch_bytes(tokens), vulkan::Residency::kHostWrite);
    auto& head = *reinterpret_cast<kernels::BatchHead*>(batch_.host());
    head.tokens = head.outputs = head.running = tokens;
    constexpr uint64_t kRows = 64;
    std::vector<std::byte> rows(kRows * matrix_.layout.row_bytes);
    quant::pack_rows(format, matrix_.columns, kRows, model::random_rows(format, matrix_.columns, kRows, 1),
                     rows);
    fill(weights_, rows);
    std::vector<std::byte> halves(1 << 16);
    for (size_t i = 0; i < halves.size(); ++i) halves[i] = static_cast<std::byte>(i * 37 % 0x3A);
    fill(x_, halves);
    fill(part_counters_, std::vector<std::byte>(1 << 16));
    matrix_.segments = {{weights_.address(), 0, matrix_.rows}};
    product_.weights = &matrix_;
    product_.x = {x_.address(), x_.bytes()};
    product_.out = {out_.address(), out_.bytes()};
    product_.out_stride = swiglu ? matrix_.rows / 2 : matrix_.rows;
    product_.input = kernels::Input::kHalf;
    product_.epilogue = swiglu ? kernels::Epilogue::kSwiGlu : kernels::Epilogue::kStore;
    product_.half_out = swiglu;
    product_.part_sums = {part_sums_.address(), part_sums_.bytes()};
    product_.part_counters = {part_counters_.address(), part_counters_.bytes()};
  }
  Work(const Work&) = delete;
  Work& operator=(const Work&) = delete;

  const kernels::Product& product() const { return product_; }
  double operations() const { return 2.0 * matrix_.rows * matrix_.columns * tokens_; }

  void record(kernels::Kernels& kernels, vulkan::Recording& recording) const {
    kernels.record({&recording, batch_.address(), tokens_, false, 1}, product_);
  }

  double seconds(kernels::Kernels& kernels, int runs) const {
    vulkan::Recording recording(device_);
    stopwatch_.start(recording.handle());
    record(kernels, recording);
    stopwatch_.stop(recording.handle());
    recording.finish();
    const VkCommandBuffer buffer = recording.handle();
    constexpr double kForever = 1e9;
    double best = kForever;
    for (int run = 0; run <= runs; ++run) {  // the first also takes the code to the device
      device_.wait(device_.submit({&buffer, 1}));
      if (run > 0) best = std::min(best, stopwatch_.seconds(kForever));
    }
    return best;
  }

 private:
  void fill(const vulkan::Allocation& memory, std::span<const std::byte> pattern) {
    for (uint64_t at = 0; at < memory.bytes(); at += pattern.size()) {
      device_.upload(memory, at, pattern.first(std::min<uint64_t>(pattern.size(), memory.bytes() - at)));
    }
    device_.end_uploads();
  }

  vulkan::Device& device_;
  vulkan::Stopwatch stopwatch_;
  uint32_t tokens_;
  kernels::Matrix matrix_;
  kernels::Product product_{};
  vulkan::Allocation weights_, x_, out_, batch_, part_sums_, part_counters_;
};

/// What the driver says of the code, from a device that only compiles; nothing where it says nothing.
std::string statistics(const Options& options, const vulkan::Instance& instance, const Work& work,
                       const kernels::MatrixKey& key, const kernels::MatrixTiles& tiles) {
  try {
    vulkan::Device device(instance, instance.choose(options.device), {.compile_only = true});
    vulkan::PipelineStore pipelines(device, "");
    kernels::Kernels kernels(device, pipelines);
    kernels.use_matrix_units(kernels::Kernels::MatrixUse::kAlways);
    kernels.choose(key, tiles);
    vulkan::Recording recording(device);
    work.record(kernels, recording);
    std::string text;
    for (const auto& [name, value] : isa::inspect(device, *pipelines.all().front()).statistics) {
      if (name == "Register Count" || name == "VGPRs" || name == "Spilled VGPRs") {
        text += fmt::format("  {} {}", name, value);
      }
    }
    return text;
  } catch (const Error&) {  // the driver does not tell
    return {};
  }
}

void measure(const Options& options) {
  const vulkan::Instance instance;
  vulkan::Device device(instance, instance.choose(options.device));
  vulkan::PipelineStore pipelines(device, "");
  kernels::Kernels kernels(device, pipelines);
  kernels.use_matrix_units(kernels::Kernels::MatrixUse::kAlways);
  if (!kernels.uses_matrix_units()) throw Error(ErrorKind::kUsage, "the device has no matrix units");
  const auto limit = kernels::matrix_speed(device, pipelines);
  fmt::print("{} ({}), {:.0f} TFLOP/s from registers\n", device.physical().info.name,
             device.physical().info.driver, limit ? limit->flop_per_second / 1e12 : 0);
  for (const std::string& format : options.formats) {
    for (const std::string& shape : options.shapes) {
      for (const uint32_t tokens : options.tokens) {
        const Work work(device, format_named(format), shape, tokens, options.swiglu);
        const kernels::MatrixKey key = kernels::matrix_key_of(work.product(), tokens);
        const auto candidates = kernels::matrix_candidates(key, kernels.matrix_units());
        std::vector<std::function<void()>> jobs;
        for (const auto& tiles : candidates) {
          jobs.emplace_back([&, tiles] { kernels.prepare(work.product(), tiles); });
        }
        kernels::Compilers compilers(std::move(jobs));
        std::vector<std::pair<double, kernels::MatrixTiles>> results;
        for (size_t i = 0; i < candidates.size(); ++i) {
          compilers.result(i).get();
          kernels.choose(key, candidates[i]);
          results.emplace_back(work.seconds(kernels, options.runs), candidates[i]);
        }
        std::ranges::sort(results);
        fmt::print("\n{} {}, {} tokens{}\n", format, shape, tokens, options.swiglu ? ", swiglu" : "");
        for (const auto& [seconds, tiles] : results) {
          fmt::print(
              "  {:>3} x {:<3}  of {:>2} x {:<2}  step {} buffers {} parts {:>2}  {:>9.1f} us {:>7.1f} "
              "TFLOP/s{}{}\n",
              tiles.tokens, tiles.rows, tiles.tile_tokens, tiles.tile_rows, tiles.step, tiles.buffers,
              tiles.parts, seconds * 1e6, work.operations() / seconds / 1e12,
              statistics(options, instance, work, key, tiles),
              tiles == candidates.front() ? "  the usual choice" : "");
        }
        std::fflush(stdout);
      }
    }
  }
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  CLI::App app("Times every choice of products on matrix units");
  app.add_option("--device", options.device, "An index or part of a name of 'caldera devices'");
  app.add_option("-f,--format", options.formats, "Formats of the weights: Q4_K,Q6_K")->delimiter(',');
  app.add_option("-s,--shape", options.shapes, "Rows and columns: 4096x14336,1024x4096")->delimiter(',');
  app.add_option("-t,--tokens", options.tokens, "Tokens at once, powers of two (default: 512,2048)")
      ->delimiter(',')
      ->check(CLI::Range(16, 8192));
  app.add_option("--runs", options.runs, "Runs of each candidate, the fastest counts (default: 5)")
      ->check(CLI::Range(1, 1000));
  app.add_flag("--swiglu", options.swiglu, "Rows are gate and up in turn");
  CLI11_PARSE(app, argc, argv);
  try {
    measure(options);
  } catch (const Error& error) {
    std::fprintf(stderr, "matrix_products_bench: %s\n", error.what());
    return error.exit_code();
  }
  return 0;
}
