// How fast attention over prompts is: every size that is worth trying on matrix units, for tokens at a depth,
// with random keys and values in one layer's pages, and what the driver's compiler says of each kernel.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <memory>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "caldera/error.hpp"
#include "compiled_pipeline.hpp"
#include "kernels/kernels.hpp"
#include "kernels/state.hpp"
#include "plan/working_memory.hpp"
#include "quant/half.hpp"
#include "vulkan/recording.hpp"
#include "vulkan/stopwatch.hpp"

namespace {

using namespace caldera;

struct Options {
  std::string device;
  std::vector<uint32_t> tokens = {512};
  std::vector<uint32_t> depths = {0, 16384};
  std::vector<uint32_t> heads = {64, 128};
  uint32_t query_heads = 32;
  uint32_t kv_heads = 8;
  std::vector<std::string> formats = {"f16"};
  float sharpness = 2;  // scores of real models are about this far apart
  int runs = 5;
};

plan::KvFormat format_named(const std::string& name) {
  return name == "f16"    ? plan::KvFormat::kF16
         : name == "q8_0" ? plan::KvFormat::kQ8_0
                          : plan::KvFormat::kQ4_0;
}

template <class T>
vulkan::Allocation on_device(vulkan::Device& device, const std::vector<T>& values) {
  vulkan::Allocation memory = device.memory().allocate(values.size() * sizeof(T), vulkan::Residency::kDevice,
                                                       vulkan::Purpose::kActivations, "a bench");
  device.upload(memory, 0, std::as_bytes(std::span(values)));
  return memory;
}

/// What attention works on: `tokens` of one sequence after `depth`.
class Work {
 public:
  Work(vulkan::Device& device, const kernels::AttentionShape& shape, uint32_t tokens, uint32_t depth,
       float sharpness)
      : shape_(shape), tokens_(tokens) {
    std::mt19937 random(1);
    pages_ = random_pages(device, (tokens + depth + kernels::kPageTokens - 1) / kernels::kPageTokens, random);
    std::uniform_real_distribution<float> uniform(-1, 1);
    std::vector<float> qkv(uint64_t{tokens} * (shape.heads + 2 * shape.kv_heads) * shape.head);
    const float size =
        sharpness * 3 / std::sqrt(static_cast<float>(shape.head));  // a uniform's variance is 1/3
    for (float& number : qkv) number = uniform(random) * size;
    qkv_ = on_device(device, qkv);
    const uint64_t results = uint64_t{tokens} * shape.heads * shape.head;
    out_ = on_device(device, std::vector<float>(results));
    parts_ = device.memory().allocate(std::min<uint64_t>(tokens, plan::kMaxSequences) * shape.heads *
                                          (shape.head + 2) * kernels::kMaxSplits * sizeof(float),
                                      vulkan::Residency::kDevice, vulkan::Purpose::kActivations, "parts");
    std::vector<std::byte> batch(kernels::batch_bytes(tokens));
    auto* head = reinterpret_cast<kernels::BatchHead*>(batch.data());
    head->tokens = tokens;
    for (uint32_t i = 0; i < tokens; ++i) head->entries()[i] = {0, depth + i, 0, 0};
    batch_ = on_device(device, batch);
    device.end_uploads();
  }

  void record(kernels::Kernels& kernels, vulkan::Recording& recording, uint32_t splits) const {
    const auto range = [](const vulkan::Allocation& memory) {
      return vulkan::Range{memory.address(), memory.bytes()};
    };
    kernels.record({&recording, batch_.address(), tokens_, false, splits},
                   kernels::Attention{shape_, range(qkv_), range(out_), range(parts_), slots_.address(),
                                      range(pages_), true});
  }

 private:
  /// Pages of one layer: numbers or codes at random, scales so that codes stand for numbers up to 1.
  vulkan::Allocation random_pages(vulkan::Device& device, uint32_t count, std::mt19937& random) {
    std::uniform_real_distribution<float> uniform(-1, 1);
    const uint16_t scale_q8 = quant::f16_from_float(1.0F / 127);
    const uint16_t scale_q4 = quant::f16_from_float(1.0F / 8);
    std::vector<uint16_t> page;
    for (const plan::KvFormat format : {shape_.k_format, shape_.v_format}) {
      const uint64_t halves = plan::half_layer_bytes(1, shape_.head, format) / 2;
      const uint64_t scales =
          format == plan::KvFormat::kF16 ? 0 : uint64_t{kernels::kPageTokens} * shape_.head / 32;
      for (uint32_t head = 0; head < shape_.kv_heads; ++head) {
        for (uint64_t i = 0; i < halves; ++i) {
          const bool scale = i >= halves - scales;
          page.push_back(scale ? (format == plan::KvFormat::kQ8_0 ? scale_q8 : scale_q4)
                         : format == plan::KvFormat::kF16 ? quant::f16_from_float(uniform(random))
                                                          : static_cast<uint16_t>(random()));
        }
      }
    }
    std::vector<uint16_t> all;
    all.reserve(page.size() * count);
    for (uint32_t i = 0; i < count; ++i) all.insert(all.end(), page.begin(), page.end());
    vulkan::Allocation pages = on_device(device, all);
    std::vector<uint64_t> table(count);
    for (uint32_t i = 0; i < count; ++i) table[i] = pages.address() + uint64_t{i} * page.size() * 2;
    table_ = on_device(device, table);
    slots_ = on_device(device, std::vector<uint64_t>{table_.address()});
    return pages;
  }

  kernels::AttentionShape shape_;
  uint32_t tokens_;
  vulkan::Allocation pages_, table_, slots_, qkv_, out_, parts_, batch_;
};

/// Registers, local memory and the like, where the driver tells. The device that does compiles only.
class Statistics {
 public:
  explicit Statistics(const vulkan::Instance& instance, const std::string& device) {
    try {
      device_ = std::make_unique<vulkan::Device>(instance, instance.choose(device),
                                                 vulkan::DeviceOptions{.compile_only = true});
      store_ = std::make_unique<vulkan::PipelineStore>(*device_, "");
      kernels_.emplace(*device_, *store_);
    } catch (const Error&) {  // then without
      kernels_.reset();
    }
  }

  std::string of(const vulkan::Pipeline& pipeline, uint32_t subgroup) {
    if (!kernels_) return "";
    const vulkan::Pipeline& compiled =
        store_->get(kernels::shader(pipeline.name), pipeline.constants, subgroup);
    std::vector<std::string> told;
    for (const auto& [name, value] : isa::inspect(*device_, compiled).statistics) {
      const bool wanted = name.find("egister") != std::string::npos ||
                          name.find("GPRs") != std::string::npos || name.find("Local") != std::string::npos ||
                          name.find("Shared") != std::string::npos;
      // Of 64 bits NVIDIA's driver fills 32.
      if (wanted)
        told.push_back(fmt::format("{} {}", name, static_cast<uint32_t>(static_cast<uint64_t>(value))));
    }
    return fmt::format("{}", fmt::join(told, ", "));
  }

 private:
  std::unique_ptr<vulkan::Device> device_;
  std::unique_ptr<vulkan::PipelineStore> store_;
  std::optional<kernels::Kernels> kernels_;
};

std::string name_of(const kernels::MatrixAttention& sizes) {
  return fmt::format("{}x{}x{}, {} subgroups of {} rows, {} keys{}{}{}{}", sizes.shape.m, sizes.shape.n,
                     sizes.shape.k, sizes.subgroups, sizes.row_tiles * sizes.shape.m, sizes.keys,
                     sizes.hold_queries ? "" : ", queries shared", sizes.turn_values ? ", turned" : "",
                     sizes.in_place ? ", in place" : "", sizes.ahead ? ", ahead" : "");
}

double microseconds(vulkan::Device& device, const vulkan::Recording& recording,
                    const vulkan::Stopwatch& stopwatch, int runs) {
  const VkCommandBuffer buffer = recording.handle();
  double best = 1e9;
  for (int run = 0; run <= runs; ++run) {
    const auto start = std::chrono::steady_clock::now();
    device.wait(device.submit({&buffer, 1}));
    best = std::min(
        best,
        stopwatch.seconds(std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count()));
  }
  return best * 1e6;
}

void measure(const Options& options) {
  const vulkan::Instance instance;
  vulkan::Device device(instance, instance.choose(options.device));
  vulkan::PipelineStore pipelines(device, "");
  kernels::Kernels kernels(device, pipelines);
  kernels.use_matrix_units(kernels::Kernels::MatrixUse::kAlways);
  kernels.ask_units();
  Statistics statistics(instance, options.device);
  const vulkan::Stopwatch stopwatch(device);
  std::set<const vulkan::Pipeline*> known;  // a kernel's statistics are told where it is met first
  fmt::print("{} ({})\n", device.physical().info.name, device.physical().info.driver);
  for (const uint32_t head : options.heads) {
    for (const std::string& format : options.formats) {
      kernels::AttentionShape shape{options.query_heads,  options.kv_heads,    head, 0, 0, 0,
                                    format_named(format), format_named(format)};
      shape.v_offset = static_cast<uint32_t>(plan::half_layer_bytes(shape.kv_heads, head, shape.k_format));
      for (const uint32_t depth : options.depths) {
        for (const uint32_t tokens : options.tokens) {
          const Work work(device, shape, tokens, depth, options.sharpness);
          const double pairs = double{0.5} * tokens * (2.0 * depth + tokens + 1) * shape.heads;
          fmt::print("\n{} tokens after {}, {} heads of {}, {} KV heads in {}\n", tokens, depth, shape.heads,
                     head, shape.kv_heads, format);
          kernels.set_prompt_attention({});
          const kernels::PromptAttention usual = kernels.prompt_attention(shape, tokens);
          for (const kernels::MatrixAttention& sizes :
               kernels::attention_candidates(head, kernels.attention_units())) {
            kernels.set_prompt_attention(sizes);
            const uint32_t splits = kernels.prompt_splits(shape, tokens, depth + tokens);
            vulkan::Recording recording(device);
            stopwatch.start(recording.handle());
            work.record(kernels, recording, splits);
            stopwatch.stop(recording.handle());
            recording.finish();
            const double time = microseconds(device, recording, stopwatch, options.runs);
            const auto* chosen = std::get_if<kernels::MatrixAttention>(&usual);
            std::string told;
            for (const vulkan::Pipeline* pipeline : pipelines.all()) {
              if (known.insert(pipeline).second && pipeline->name == "attention_units")
                told = statistics.of(*pipeline, kernels.subgroup());
            }
            fmt::print("  {:<64} {:>2} parts {:>9.1f} us {:>6.1f} TFLOP/s  {}{}\n", name_of(sizes), splits,
                       time, 4 * pairs * head / time / 1e6, told,
                       chosen != nullptr && name_of(*chosen) == name_of(sizes) ? "  the usual choice" : "");
            std::fflush(stdout);
          }
        }
      }
    }
  }
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  CLI::App app("Times every choice of attention over prompts on matrix units");
  app.add_option("--device", options.device, "An index or part of a name of 'caldera devices'");
  app.add_option("-t,--tokens", options.tokens, "Tokens of the prompt read at once: 64,512,2048")
      ->delimiter(',')
      ->check(CLI::Range(1, 8192));
  app.add_option("-d,--depth", options.depths, "Tokens before them: 0,16384")
      ->delimiter(',')
      ->check(CLI::Range(0, 1 << 20));
  app.add_option("--head", options.heads, "Sizes of heads: 64,128")
      ->delimiter(',')
      ->check(CLI::IsMember({32, 64, 80, 96, 128, 256}));
  app.add_option("--heads", options.query_heads, "Query heads (default: 32)")->check(CLI::Range(1, 256));
  app.add_option("--kv-heads", options.kv_heads, "KV heads, which divide them (default: 8)")
      ->check(CLI::Range(1, 256));
  app.add_option("-k,--kv", options.formats, "KV memory: f16,q8_0,q4_0")
      ->delimiter(',')
      ->check(CLI::IsMember({"f16", "q8_0", "q4_0"}));
  app.add_option("--sharpness", options.sharpness, "Spread of the scores (default: 2)");
  app.add_option("--runs", options.runs, "Runs of each choice, the fastest counts (default: 5)")
      ->check(CLI::Range(1, 1000));
  CLI11_PARSE(app, argc, argv);
  try {
    measure(options);
  } catch (const Error& error) {
    std::fprintf(stderr, "prompt_attention_bench: %s\n", error.what());
    return error.exit_code();
  }
  return 0;
}
