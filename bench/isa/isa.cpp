// Prints what a GPU's compiler makes of every kernel, and how fast decoding could be on it. Made for RADV on
// a machine without the GPU; script/isa finds or fetches that driver, and starts this.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <map>
#include <nlohmann/json.hpp>

#include "caldera/error.hpp"
#include "engine_kernels.hpp"
#include "plan/families.hpp"
#include "prediction.hpp"
#include "report.hpp"

namespace caldera::isa {
namespace {

constexpr std::array kShapes = {"llama-3.2-1b:q4_k_m", "llama-3.1-8b:q4_k_m", "llama-3.1-8b:q8_0",
                                "llama-3.1-70b:q4_k_m", "llama-3.1-405b:iq1_s"};

constexpr std::array kPromptShapes = {"llama-3.2-1b:q4_k_m", "llama-3.1-8b:q4_k_m", "qwen3-32b:q4_k_m",
                                      "llama-3.1-70b:q4_k_m", "llama-3.1-405b:iq1_s"};
constexpr uint32_t kPromptTokens = 512;

struct Options {
  std::string format = "table";
  std::string kernel;
  bool all = false;
  bool choices = false;
  bool disassembly = false;
};

int report(const Options& options) {
  const vulkan::Instance instance;
  vulkan::Device device(instance, instance.choose(""), {.compile_only = true});
  const std::vector<Kernel> every = compile(device, options.choices ? choice_cases() : engine_cases());
  std::vector<Kernel> shown;
  for (const Kernel& kernel : every) {
    const bool named = kernel.compiled.name.find(options.kernel) != std::string::npos;
    if (named && (kernel.of.main || options.all)) shown.push_back(kernel);
  }
  if (shown.empty()) {
    throw Error(
        ErrorKind::kUsage,
        fmt::format("no kernel has '{}' in its name: run without --kernel to see them all", options.kernel));
  }
  if (options.disassembly) {
    for (const Kernel& kernel : shown) {
      fmt::print("; {}, constants {}\n{}\n", kernel.compiled.name, fmt::join(kernel.compiled.constants, " "),
                 kernel.compiled.assembly);
    }
    return 0;
  }

  const Machine machine = strix_halo();
  std::vector<FormatSpeed> speeds;
  std::vector<TokenSpeed> tokens;
  std::vector<PromptSpeed> prompts;
  if (!options.choices) {  // among which the engine has not chosen
    speeds = format_speeds(machine, every, 1);
    for (const char* name : kShapes) tokens.push_back(token_speed(machine, speeds, plan::shape_named(name)));
    const std::vector<PromptFormat> formats = prompt_formats(machine, every);
    for (const char* name : kPromptShapes) {
      if (formats.empty()) break;
      prompts.push_back(prompt_speed(machine, formats, plan::shape_named(name), kPromptTokens));
      // What llama.cpp's figure on Strix Halo is about: 260 tokens/s.
      if (std::string_view(name) == "qwen3-32b:q4_k_m") {
        prompts.push_back(scaled(prompts.back(), "a dense 27B:q4_k_m, from the one above", 27e9));
      }
    }
  }

  const DeviceInfo& info = device.physical().info;
  if (options.format == "json") {
    nlohmann::json json{{"device", info.name}, {"driver", info.driver}};
    for (const Kernel& kernel : shown) json["kernels"].push_back(to_json(kernel));
    json["machine"] = {{"name", machine.name},
                       {"compute_units", machine.compute_units},
                       {"hertz", machine.clock},
                       {"bytes_per_second", machine.bandwidth}};
    for (const FormatSpeed& speed : speeds) json["formats"].push_back(to_json(speed));
    for (const TokenSpeed& token : tokens) json["models"].push_back(to_json(token));
    for (const PromptSpeed& prompt : prompts) json["prompts"].push_back(to_json(prompt));
    fmt::print("{}\n", json.dump(2));
    return 0;
  }
  const TextFormat format = options.format == "markdown" ? TextFormat::kMarkdown : TextFormat::kTable;
  fmt::print("{}, {}\n\n{}{}{}", info.name, info.driver, pipelines_text(shown, format),
             loops_text(shown, format), matrices_text(machine, shown, format));
  if (options.kernel.empty() && !options.choices) {
    fmt::print("\n{}\n{}", formats_text(machine, speeds, format), tokens_text(machine, tokens, format));
    if (!prompts.empty()) fmt::print("\n{}", prompts_text(machine, prompts, format));
  }
  return 0;
}

int main(int argc, char** argv) {
  CLI::App app("What a GPU's compiler makes of every kernel, and how fast decoding could be on it.");
  Options options;
  app.add_option("--format", options.format, "How it is printed")
      ->check(CLI::IsMember({"table", "markdown", "json"}))
      ->capture_default_str();
  app.add_option("--kernel", options.kernel, "Only kernels with this in their name");
  app.add_flag("--all", options.all,
               "Variants that differ little too: 2 and 4 columns, other storage and ends");
  app.add_flag("--choices", options.choices,
               "Products of int8 vectors with all rows and loads that can be chosen");
  app.add_flag("--disassembly", options.disassembly, "Print the code instead");
  CLI11_PARSE(app, argc, argv);
  try {
    return report(options);
  } catch (const Error& error) {
    fmt::print(stderr, "isa: error: {}\n", error.what());
    return 1;
  }
}

}  // namespace
}  // namespace caldera::isa

int main(int argc, char** argv) {
  return caldera::isa::main(argc, argv);
}
