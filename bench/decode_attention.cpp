// How fast attention of a decode step is, as it is cut up in one way or another: random keys and values of so
// many layers that no cache serves them, one dispatch a layer, as a step makes them.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "caldera/error.hpp"
#include "isa/assembly.hpp"
#include "isa/compiled_pipeline.hpp"
#include "kernels/kernels.hpp"
#include "kernels/state.hpp"
#include "plan/working_memory.hpp"
#include "quant/half.hpp"
#include "vulkan/stopwatch.hpp"

namespace {

using namespace caldera;
using kernels::DecodeAttentionSizes;

constexpr auto kDevice = vulkan::Residency::kDevice;
/// Stands for all KV memory in the barriers of a recording.
constexpr vulkan::Range kKv{UINT64_MAX - 1, 1};

struct Options {
  std::string device;
  std::vector<uint32_t> heads = {32, 8, 128};
  std::vector<uint32_t> contexts = {16384};
  std::vector<uint32_t> splits = {0};
  std::vector<std::string> sizes = {"usual"};
  std::string format = "f16";
  uint32_t sequences = 1;
  uint64_t megabytes = 1024;
  int runs = 7;
  bool code = false;
};

plan::KvFormat format_of(const std::string& name) {
  if (name == "f16") return plan::KvFormat::kF16;
  return name == "q8_0" ? plan::KvFormat::kQ8_0 : plan::KvFormat::kQ4_0;
}

/// "usual", "HEADS.KEYS.SUBGROUPS.LANES", or "HEADS.KEYS.SUBGROUPS.MxNxK" on matrix units, and there ".s"
/// for queries in shared memory.
std::optional<DecodeAttentionSizes> sizes_of(const std::string& text) {
  if (text == "usual") return std::nullopt;
  DecodeAttentionSizes sizes{};
  kernels::UnitShape shape;
  if (std::sscanf(text.c_str(), "%u.%u.%u.%ux%ux%u", &sizes.heads, &sizes.keys, &sizes.subgroups, &shape.m,
                  &shape.n, &shape.k) == 6) {
    sizes.units = shape;
  } else if (std::sscanf(text.c_str(), "%u.%u.%u.%u", &sizes.heads, &sizes.keys, &sizes.subgroups,
                         &sizes.lanes) != 4) {
    throw Error(ErrorKind::kUsage, fmt::format("'{}' is no size: see --help", text));
  }
  return sizes;
}

/// Memory of the device with `bytes` over and over in it.
vulkan::Allocation filled(vulkan::Device& device, uint64_t size, std::span<const std::byte> bytes) {
  vulkan::Allocation memory =
      device.memory().allocate(size, kDevice, vulkan::Purpose::kWeights, "random numbers");
  for (uint64_t at = 0; at < size; at += bytes.size()) {
    device.upload(memory, at, bytes.first(std::min<uint64_t>(bytes.size(), size - at)));
  }
  device.end_uploads();
  return memory;
}

template <class T>
vulkan::Allocation filled(vulkan::Device& device, uint64_t size, const std::vector<T>& values) {
  return filled(device, size, std::as_bytes(std::span(values)));
}

/// Sequences of one length, and all that attention of one token of each needs.
class Sequences {
 public:
  Sequences(vulkan::Device& device, const Options& options, uint32_t context)
      : shape_{options.heads[0], options.heads[1], options.heads[2], 0, 0, 0} {
    shape_.k_format = shape_.v_format = format_of(options.format);
    const uint64_t half = plan::half_layer_bytes(shape_.kv_heads, shape_.head, shape_.k_format);
    const uint64_t pages = context / kernels::kPageTokens + 1;
    shape_.v_offset = static_cast<uint32_t>(half);
    layers_ = std::max<uint64_t>(options.megabytes * 1'000'000 / (2 * half * pages * options.sequences), 1);
    layers_ = std::clamp<uint64_t>(layers_, 8, 64);
    std::vector<uint16_t> halves(1 << 20);
    std::mt19937 random(1);
    std::normal_distribution<float> normal;
    for (uint16_t& number : halves) number = quant::f16_from_float(normal(random));
    const uint64_t page = 2 * half * layers_;
    kv_.push_back(filled(device, page * pages * options.sequences, halves));
    std::vector<uint64_t> slots;
    for (uint32_t s = 0; s < options.sequences; ++s) {
      std::vector<uint64_t> table;
      for (uint64_t p = 0; p < pages; ++p) table.push_back(kv_[0].address() + (s * pages + p) * page);
      kv_.push_back(filled(device, pages * 8, table));
      slots.push_back(kv_.back().address());
    }
    tables_ = filled(device, slots.size() * 8, slots);
    const uint32_t row = (shape_.heads + 2 * shape_.kv_heads) * shape_.head;
    std::vector<float> numbers(size_t{row} * options.sequences);
    for (float& number : numbers) number = normal(random);
    qkv_ = filled(device, numbers.size() * 4, numbers);
    const std::vector<float> turns = {1, 0};
    rope_ = filled(device, (256 + context / 256 + 1) * uint64_t{shape_.head} * 4, turns);
    const std::vector<uint32_t> zero(256);
    const uint64_t width = uint64_t{shape_.heads} * shape_.head * options.sequences;
    out_ = filled(device, width * 4, zero);
    parts_ = filled(device, width / shape_.head * (shape_.head + 2) * kernels::kMaxSplits * 4, zero);
    counters_ = filled(device, uint64_t{options.sequences} * shape_.heads * 4, zero);
    std::vector<uint32_t> batch(sizeof(kernels::BatchHead) / 4);
    batch[0] = batch[1] = batch[2] = options.sequences;
    for (uint32_t s = 0; s < options.sequences; ++s) batch.insert(batch.end(), {0, context, s, 0});
    batch_ = filled(device, batch.size() * 4, batch);
  }

  const kernels::AttentionShape& shape() const { return shape_; }
  uint64_t layers() const { return layers_; }
  /// Bytes of keys and values that a layer's attention reads.
  uint64_t bytes(uint32_t context, uint32_t sequences) const {
    return uint64_t{2} * shape_.v_offset * context / kernels::kPageTokens * sequences;
  }

  void record(kernels::Kernels& kernels, vulkan::Recording& recording, uint32_t sequences,
              uint32_t splits) const {
    const auto range = [](const vulkan::Allocation& memory) {
      return vulkan::Range{memory.address(), memory.bytes()};
    };
    for (uint64_t layer = 0; layer < layers_; ++layer) {
      kernels::AttentionShape shape = shape_;
      shape.layer_offset = static_cast<uint32_t>(2 * layer * shape_.v_offset);
      const kernels::DecodeAttention operation{
          {shape, range(qkv_), rope_.address(), 0, 0, tables_.address(), kKv, shape.head, false, 1e-5F, 0.1F},
          {shape, range(qkv_), {}, range(parts_), tables_.address(), kKv},
          range(out_),
          range(counters_)};
      kernels.record({&recording, batch_.address(), sequences, true, splits}, operation);
    }
  }

 private:
  kernels::AttentionShape shape_;
  uint64_t layers_ = 0;
  std::vector<vulkan::Allocation> kv_;
  vulkan::Allocation tables_, qkv_, rope_, out_, parts_, counters_, batch_;
};

/// Seconds of one layer's attention, the median.
double time(vulkan::Device& device, kernels::Kernels& kernels, const Sequences& sequences,
            const Options& options, uint32_t splits) {
  const vulkan::Stopwatch stopwatch(device);
  vulkan::Recording recording(device, nullptr, &stopwatch);
  sequences.record(kernels, recording, options.sequences, splits);
  recording.finish();
  const VkCommandBuffer buffer = recording.handle();
  std::vector<double> seconds;
  for (int run = 0; run < options.runs + 1; ++run) {
    const auto start = std::chrono::steady_clock::now();
    device.wait(device.submit({&buffer, 1}));
    seconds.push_back(
        stopwatch.seconds(std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count()));
  }
  seconds.erase(seconds.begin());
  std::ranges::nth_element(seconds, seconds.begin() + options.runs / 2);
  return seconds[static_cast<size_t>(options.runs) / 2] / static_cast<double>(sequences.layers());
}

/// Prints what the driver says of the kernels' code, once for each size.
void print_code(const vulkan::Instance& instance, const Options& options) {
  vulkan::Device device(instance, instance.choose(options.device), {.compile_only = true});
  for (const std::string& text : options.sizes) {
    vulkan::PipelineStore pipelines(device, "");
    kernels::Kernels kernels(device, pipelines);
    kernels.set_decode_attention_sizes(sizes_of(text));
    kernels::AttentionShape shape{options.heads[0], options.heads[1], options.heads[2], 0, 1 << 20, 0};
    shape.k_format = shape.v_format = format_of(options.format);
    vulkan::Recording recording(device);
    constexpr uint64_t kFar = uint64_t{1} << 32;
    const kernels::DecodeAttention operation{
        {shape, {kFar, 64}, 2 * kFar, 0, 0, 3 * kFar, kKv, shape.head, false, 1e-5F, 0.1F},
        {shape, {kFar, 64}, {}, {4 * kFar, 64}, 3 * kFar, kKv},
        {5 * kFar, 64},
        {6 * kFar, 64}};
    kernels.record({&recording, 7 * kFar, 1, true, 16}, operation);
    recording.finish();
    for (const vulkan::Pipeline* pipeline : pipelines.all()) {
      fmt::print("{} {}:", text, pipeline->name);
      const isa::CompiledPipeline compiled = isa::inspect(device, *pipeline);
      for (const auto& [name, value] : compiled.statistics) fmt::print(" {} {};", name, value);
      const auto loop = isa::loop_of_matrices(compiled.assembly);
      if (loop && loop->mix.wmma > 0) {
        fmt::print(" a tile: {} vector cycles, {} matrices, {} of shared memory, {} of memory;",
                   loop->mix.valu_cycles, loop->mix.wmma, loop->mix.lds, loop->mix.vmem);
      }
      fmt::print("\n");
    }
  }
}

void measure(const Options& options) {
  const vulkan::Instance instance;
  if (options.code) return print_code(instance, options);
  vulkan::Device device(instance, instance.choose(options.device));
  vulkan::PipelineStore pipelines(device, "");
  fmt::print("heads {}, {}, {} sequences; microseconds a layer\n", fmt::join(options.heads, " "),
             options.format, options.sequences);
  for (const uint32_t context : options.contexts) {
    const Sequences sequences(device, options, context);
    for (const std::string& text : options.sizes) {
      kernels::Kernels kernels(device, pipelines);
      kernels.set_decode_attention_sizes(sizes_of(text));
      fmt::print("{:>6} {:>16}:", context, text);
      for (uint32_t splits : options.splits) {
        if (splits == 0) {
          splits = kernels.decode_splits(sequences.shape(), context, options.sequences);
        }
        const double seconds = time(device, kernels, sequences, options, splits);
        fmt::print("  {:>2} {:5.1f} us {:4.0f} GB/s", splits, seconds * 1e6,
                   static_cast<double>(sequences.bytes(context, options.sequences)) / seconds / 1e9);
      }
      fmt::print("\n");
      std::fflush(stdout);
    }
  }
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  CLI::App app("Times attention of a decode step, cut up in several ways");
  app.add_option("--device", options.device, "An index or part of a name of 'caldera devices'");
  app.add_option("--heads", options.heads, "Query heads, KV heads, dimensions (default: 32,8,128)")
      ->delimiter(',')
      ->expected(3);
  app.add_option("-c,--context", options.contexts, "Tokens before the one: 512,16384")->delimiter(',');
  app.add_option("--splits", options.splits, "Parts, 0: as usual")
      ->delimiter(',')
      ->check(CLI::Range(0U, kernels::kMaxSplits));
  app.add_option("--sizes", options.sizes,
                 "usual, HEADS.KEYS.SUBGROUPS.LANES, or on matrix units HEADS.KEYS.SUBGROUPS.MxNxK")
      ->delimiter(',');
  app.add_option("-f,--format", options.format, "Of keys and values")
      ->check(CLI::IsMember({"f16", "q8_0", "q4_0"}));
  app.add_option("-s,--sequences", options.sequences, "Sequences, one token each")->check(CLI::Range(1, 253));
  app.add_option("--megabytes", options.megabytes, "Keys and values to go through in one run (default: 1024)")
      ->check(CLI::Range(1, 65536));
  app.add_option("--runs", options.runs, "Runs of each, the median counts (default: 7)")
      ->check(CLI::Range(1, 1000));
  app.add_flag("--code", options.code,
               "Print what the driver says of the compiled kernels, and time nothing");
  CLI11_PARSE(app, argc, argv);
  try {
    measure(options);
  } catch (const Error& error) {
    std::fprintf(stderr, "decode_attention_bench: %s\n", error.what());
    return error.exit_code();
  }
  return 0;
}
