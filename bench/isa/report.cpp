#include "report.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <string_view>

#include "assembly.hpp"
#include "quant/resident.hpp"

namespace caldera::isa {
namespace {

using Row = std::vector<std::string>;

/// Columns of text: the first ones to the left, `numbers` to the right.
std::string aligned(const Row& head, const std::vector<Row>& rows, size_t numbers, TextFormat format) {
  const bool markdown = format == TextFormat::kMarkdown;
  std::vector<size_t> widths;
  widths.reserve(head.size());
  for (const std::string& cell : head) widths.push_back(cell.size());
  for (const Row& row : rows) {
    for (size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  }
  const size_t left = head.size() - numbers;
  std::string text;
  const auto add = [&](const Row& row) {
    std::string line;
    for (size_t i = 0; i < row.size(); ++i) {
      line += markdown ? "| " : i > 0 ? "  " : "";
      line += i < left ? fmt::format("{:<{}}", row[i], widths[i]) : fmt::format("{:>{}}", row[i], widths[i]);
      if (markdown) line += " ";
    }
    if (markdown) line += "|";
    line.resize(line.find_last_not_of(' ') + 1);
    text += line + "\n";
  };
  add(head);
  if (markdown) {
    for (size_t i = 0; i < head.size(); ++i) text += i < left ? "|---" : "|---:";
    text += "|\n";
  }
  for (const Row& row : rows) add(row);
  return text;
}

std::string number(const CompiledPipeline& compiled, const char* statistic) {
  return fmt::format("{:.0f}", compiled.statistic(statistic));
}

std::string title(std::string_view text, TextFormat format) {
  return format == TextFormat::kMarkdown ? fmt::format("**{}**\n\n", text) : fmt::format("{}\n", text);
}

}  // namespace

std::string pipelines_text(std::span<const Kernel> kernels, TextFormat format) {
  std::vector<Row> rows;
  for (const Kernel& kernel : kernels) {
    const CompiledPipeline& code = kernel.compiled;
    rows.push_back({code.name, fmt::format("{}", fmt::join(code.constants, " ")), kernel.of.what,
                    number(code, "VGPRs"), number(code, "SGPRs"), number(code, "Spilled VGPRs"),
                    number(code, "Spilled SGPRs"), number(code, "Scratch size"), number(code, "LDS size"),
                    fmt::format("{:.0f}", code.subgroups_a_simd()), number(code, "Code size"),
                    number(code, "Instructions"), number(code, "Inverse Throughput"),
                    number(code, "Latency")});
  }
  return aligned({"kernel", "constants", "for", "VGPRs", "SGPRs", "spilled VGPRs", "spilled SGPRs", "scratch",
                  "LDS", "subgroups/SIMD", "code bytes", "instructions", "inverse throughput", "latency"},
                 rows, 11, format);
}

std::string loops_text(std::span<const Kernel> kernels, TextFormat format) {
  std::vector<Row> rows;
  for (const Kernel& kernel : kernels) {
    const auto loop = kernel.weights_a_turn > 0 ? hot_loop(kernel.compiled.assembly) : std::nullopt;
    if (!loop) continue;
    const InstructionMix& mix = loop->mix;
    const double bytes = kernel.weights_a_turn * bytes_a_weight(*kernel.of.format);
    rows.push_back({kernel.compiled.name, kernel.of.what, fmt::format("{:.0f}", kernel.weights_a_turn),
                    fmt::format("{}", mix.total()), fmt::format("{}", mix.valu), fmt::format("{}", mix.dot4),
                    fmt::format("{}", mix.vmem), fmt::format("{}", mix.loaded),
                    fmt::format("{}", loop->under_way), fmt::format("{}", mix.lds),
                    fmt::format("{}", mix.salu), fmt::format("{:.2f}", mix.valu / kernel.weights_a_turn),
                    fmt::format("{:.2f}", mix.valu_cycles / kernel.weights_a_turn),
                    fmt::format("{:.2f}", mix.valu / bytes)});
  }
  if (rows.empty()) return {};
  return "\n" +
         aligned({"kernel", "for", "weights a turn", "instructions", "VALU", "dot4", "VMEM", "bytes loaded",
                  "under way", "LDS", "SALU", "VALU/weight", "cycles/weight", "VALU/byte"},
                 rows, 12, format);
}

std::string formats_text(const Machine& machine, std::span<const FormatSpeed> speeds, TextFormat format) {
  std::vector<Row> rows;
  for (const FormatSpeed& speed : speeds) {
    rows.push_back(
        {speed.kernel, fmt::format("{}", speed.columns), fmt::format("{:.4f}", speed.bytes),
         fmt::format("{:.2f}", speed.cycles), fmt::format("{:.2f}", machine.lane_rate() / speed.by_memory),
         fmt::format("{:.0f}", speed.by_memory / 1e9), fmt::format("{:.0f}", speed.by_arithmetic / 1e9),
         fmt::format("{:.0f}%", 100 * speed.by_memory / speed.by_arithmetic),
         speed.memory_limits() ? "memory" : "arithmetic"});
  }
  return title(fmt::format("{}: {:.0f} compute units at {:.1f} GHz, {:.0f} GB/s", machine.name,
                           machine.compute_units, machine.clock / 1e9, machine.bandwidth / 1e9),
               format) +
         aligned({"kernel", "columns", "bytes/weight", "cycles/weight", "cycles there are",
                  "Gweights/s by memory", "by arithmetic", "busy", "limit"},
                 rows, 8, format);
}

std::string tokens_text(const Machine& machine, std::span<const TokenSpeed> tokens, TextFormat format) {
  std::vector<Row> rows;
  for (const TokenSpeed& token : tokens) {
    rows.push_back({token.shape, fmt::format("{:.2f}", token.bytes / 1e9),
                    fmt::format("{:.2f}", token.by_memory), fmt::format("{:.2f}", token.predicted)});
  }
  return title(fmt::format("{}, one sequence, empty context, boundaries between dispatches not counted",
                           machine.name),
               format) +
         aligned({"model", "GB a token", "tokens/s by memory", "tokens/s predicted"}, rows, 3, format);
}

std::string matrices_text(const Machine& machine, std::span<const Kernel> kernels, TextFormat format) {
  std::vector<Row> rows;
  for (const Kernel& kernel : kernels) {
    const auto loop = matrix_loop(kernel.compiled);
    if (!loop) continue;
    const double other = loop->vector_cycles - 32.0 * loop->mix.wmma;
    rows.push_back({kernel.compiled.name, kernel.of.what, fmt::format("{}", loop->mix.wmma),
                    fmt::format("{:.0f}", other), fmt::format("{}", loop->mix.lds),
                    fmt::format("{:.0f}", loop->shared_cycles), fmt::format("{}", loop->mix.vmem),
                    fmt::format("{}", loop->mix.salu), fmt::format("{:.1f}", loop->speed(machine) / 1e12),
                    fmt::format("{:.0f}%", 100 * loop->speed(machine) / MatrixLoop::limit(machine))});
  }
  if (rows.empty()) return {};
  return "\n" +
         title(fmt::format("Matrix units: {:.1f} TFLOP/s at most on {}", MatrixLoop::limit(machine) / 1e12,
                           machine.name),
               format) +
         aligned({"kernel", "for", "WMMA", "other vector cycles", "LDS", "LDS cycles", "VMEM", "SALU",
                  "TFLOP/s predicted", "of limit"},
                 rows, 8, format);
}

std::string prompts_text(const Machine& machine, std::span<const PromptSpeed> prompts, TextFormat format) {
  std::vector<Row> rows;
  for (const PromptSpeed& prompt : prompts) {
    rows.push_back({prompt.shape, fmt::format("{:.1f}", prompt.parameters / 1e9),
                    fmt::format("{:.0f}", prompt.predicted), fmt::format("{:.1f}", prompt.teraflops)});
  }
  return title(fmt::format("{}, reading a prompt into an empty context, attention and boundaries not counted",
                           machine.name),
               format) +
         aligned({"model", "10^9 parameters", "tokens/s predicted", "TFLOP/s"}, rows, 3, format);
}

nlohmann::json to_json(const Kernel& kernel) {
  nlohmann::json json{{"kernel", kernel.compiled.name},
                      {"constants", kernel.compiled.constants},
                      {"for", kernel.of.what},
                      {"decoding", kernel.of.decoding},
                      {"columns", kernel.of.columns},
                      {"subgroup", kernel.compiled.subgroup},
                      {"statistics", kernel.compiled.statistics}};
  const auto loop = kernel.weights_a_turn > 0 ? hot_loop(kernel.compiled.assembly) : std::nullopt;
  if (loop) {
    json["loop"] = {{"weights", kernel.weights_a_turn},
                    {"bytes", kernel.weights_a_turn * bytes_a_weight(*kernel.of.format)},
                    {"instructions", loop->mix.total()},
                    {"valu", loop->mix.valu},
                    {"valu_cycles", loop->mix.valu_cycles},
                    {"dual", loop->mix.dual},
                    {"dot4", loop->mix.dot4},
                    {"vmem", loop->mix.vmem},
                    {"bytes_loaded", loop->mix.loaded},
                    {"bytes_under_way", loop->under_way},
                    {"lds", loop->mix.lds},
                    {"salu", loop->mix.salu},
                    {"smem", loop->mix.smem}};
  }
  if (const auto matrix = matrix_loop(kernel.compiled)) {
    json["matrix_loop"] = {{"wmma", matrix->mix.wmma},
                           {"flop", matrix->flop},
                           {"vector_cycles", matrix->vector_cycles},
                           {"shared_cycles", matrix->shared_cycles},
                           {"lds", matrix->mix.lds},
                           {"vmem", matrix->mix.vmem},
                           {"salu", matrix->mix.salu},
                           {"teraflop_per_second", matrix->speed(strix_halo()) / 1e12}};
  }
  return json;
}

nlohmann::json to_json(const PromptSpeed& prompt) {
  return {{"model", prompt.shape},
          {"parameters", prompt.parameters},
          {"tokens_per_second", prompt.predicted},
          {"teraflop_per_second", prompt.teraflops}};
}

nlohmann::json to_json(const FormatSpeed& speed) {
  return {{"format", quant::info(speed.format).name},
          {"kernel", speed.kernel},
          {"columns", speed.columns},
          {"bytes_per_weight", speed.bytes},
          {"instructions_per_weight", speed.instructions},
          {"cycles_per_weight", speed.cycles},
          {"weights_per_second_by_memory", speed.by_memory},
          {"weights_per_second_by_arithmetic", speed.by_arithmetic},
          {"limit", speed.memory_limits() ? "memory" : "arithmetic"}};
}

nlohmann::json to_json(const TokenSpeed& token) {
  return {{"model", token.shape},
          {"bytes_per_token", token.bytes},
          {"tokens_per_second_by_memory", token.by_memory},
          {"tokens_per_second", token.predicted}};
}

}  // namespace caldera::isa
