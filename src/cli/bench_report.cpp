#include "cli/bench_report.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <vector>

#include "cli/bench_profile.hpp"
#include "cli/memory_json.hpp"
#include "cli/output.hpp"
#include "cli/table.hpp"
#include "plan/kv_format.hpp"

namespace caldera::cli {
namespace {

using engine::BenchKind;
using engine::BenchReport;
using engine::BenchTest;
using Json = nlohmann::ordered_json;

double gigabytes(uint64_t bytes) {
  return static_cast<double>(bytes) / 1e9;
}

/// Three significant figures or a whole number: 0.0952, 35.1, 4620.
std::string figure(double value) {
  if (value >= 100) return fmt::format("{:.0f}", value);
  return fmt::format("{:#.3g}", value);
}

bool is_prompt(const BenchTest& test) {
  return test.kind == BenchKind::kPrompt;
}

/// A row for each test; what several sequences reach together and each where there are such tests.
Table tests_table(const BenchReport& report) {
  const bool together = std::any_of(report.tests.begin(), report.tests.end(),
                                    [](const BenchTest& test) { return test.sequences > 1; });
  Table table;
  table.heads = {"test", "depth"};
  if (together) table.heads.emplace_back("sequences");
  table.heads.emplace_back("tokens/s");
  if (together) table.heads.emplace_back("each");
  for (const char* head : {"spread", "longest ms", "GB/step", "GB/s", "of bandwidth", "CPU µs/token"}) {
    table.heads.emplace_back(head);
  }
  const bool prompts = std::any_of(report.tests.begin(), report.tests.end(), is_prompt);
  if (prompts) table.heads.emplace_back("TFLOP/s");
  if (prompts && report.matrix_speed) table.heads.emplace_back("of matrix units");
  for (const BenchTest& test : report.tests) {
    std::vector<std::string> row = {test_name(test), std::to_string(test.depth)};
    if (together) row.push_back(std::to_string(test.sequences));
    row.push_back(fmt::format("{:.2f}", test.rate()));
    if (together) row.push_back(fmt::format("{:.2f}", test.rate() / test.sequences));
    row.push_back(fmt::format("±{:.2f}", test.spread()));
    row.push_back(figure(test.longest_submission() * 1e3));
    if (test.kind == BenchKind::kDecode) {
      row.push_back(figure(gigabytes(test.bytes())));
      row.push_back(figure(gigabytes(test.bytes()) * test.rate() / test.sequences));
      const auto limit = report.limit(test);
      row.push_back(limit ? fmt::format("{:.0f} %", 100 * test.rate() / *limit) : "");
      row.push_back(figure(test.cpu_seconds_per_token() * 1e6));
    } else {
      row.resize(row.size() + 4);
      row.push_back(figure(report.prompt_speed(test)));
      if (report.matrix_speed) {
        row.push_back(fmt::format("{:.0f} %", 100 * report.prompt_speed(test) / *report.matrix_speed));
      }
    }
    row.resize(table.heads.size());
    table.rows.push_back(std::move(row));
  }
  return table;
}

std::vector<std::string> facts(const BenchReport& report) {
  std::vector<std::string> lines;
  lines.push_back(fmt::format("model: {}{}, {} parameters, {}, {} in memory", escape(report.name),
                              report.synthetic ? " (random weights)" : "", human_count(report.parameters),
                              report.format, human_bytes(report.memory.weights)));
  lines.push_back(fmt::format("device: {} ({}, {})", escape(report.device.name), report.device.type,
                              escape(report.device.driver)));
  if (report.memory.far_weights > 0) {
    lines.push_back(
        fmt::format("memory: {} of the weights lie across the bus", human_bytes(report.memory.far_weights)));
  }
  std::string bandwidth = "read bandwidth: not measured";
  if (report.read_bandwidth) {
    bandwidth = fmt::format("read bandwidth: {} GB/s measured", figure(*report.read_bandwidth));
  }
  if (report.far_read_bandwidth) {
    bandwidth += fmt::format(", {} GB/s across the bus", figure(*report.far_read_bandwidth));
  }
  lines.push_back(std::move(bandwidth));
  if (report.matrix_speed) {
    lines.push_back(
        fmt::format("matrix units: {} TFLOP/s measured (f16 into f32)", figure(*report.matrix_speed)));
  }
  lines.push_back(fmt::format("KV memory: {}", plan::kv_name(report.kv_formats)));
  lines.push_back(fmt::format("work: {} dispatches and {} barriers per decoded token", report.step.dispatches,
                              report.step.barriers));
  return lines;
}

Json optional(const std::optional<double>& value) {
  return value ? Json(*value) : Json();
}

Json to_json(const BenchReport& report, const BenchTest& test) {
  const bool decode = test.kind == BenchKind::kDecode;
  Json json = {{"kind", decode ? "decode" : "prompt"},
               {"tokens", test.tokens},
               {"depth", test.depth},
               {"sequences", test.sequences},
               {"tokens_per_second", test.rate()},
               {"spread", test.spread()},
               {"seconds", test.seconds},
               {"longest_submission_milliseconds", test.longest_submission() * 1e3}};
  if (decode) {
    const std::optional<double> limit = report.limit(test);
    json["tokens_per_second_each"] = test.rate() / test.sequences;
    json["cpu_microseconds_per_token"] = test.cpu_seconds_per_token() * 1e6;
    json["weight_bytes_per_step"] = test.weight_bytes;
    json["far_bytes_per_step"] = test.far_bytes;
    json["kv_bytes_per_step"] = test.kv_bytes;
    json["bytes_per_step"] = test.bytes();
    json["gigabytes_per_second"] = gigabytes(test.bytes()) * test.rate() / test.sequences;
    json["limit_tokens_per_second"] = optional(limit);
    json["share_of_limit"] = limit ? Json(test.rate() / *limit) : Json();
  }
  if (is_prompt(test)) {
    json["flop"] = report.prompt_work.flop(test.tokens, test.depth);
    json["teraflop_per_second"] = report.prompt_speed(test);
    json["share_of_matrix_units"] =
        report.matrix_speed ? Json(report.prompt_speed(test) / *report.matrix_speed) : Json();
  }
  if (test.profile) json["profile"] = profile_json(test);
  return json;
}

}  // namespace

std::string bench_table(const BenchReport& report) {
  std::string out;
  for (const std::string& line : facts(report)) out += line + "\n";
  out += "\n" + aligned(tests_table(report));
  for (const BenchTest& test : report.tests) {
    if (test.profile) out += "\n" + profile_heading(test) + "\n\n" + aligned(profile_table(*test.profile));
  }
  return out;
}

std::string bench_markdown(const BenchReport& report) {
  std::string out;
  for (const std::string& line : facts(report)) out += fmt::format("- {}\n", line);
  out += "\n" + markdown(tests_table(report));
  for (const BenchTest& test : report.tests) {
    if (test.profile) out += "\n" + profile_heading(test) + "\n\n" + markdown(profile_table(*test.profile));
  }
  return out;
}

Json bench_json(const BenchReport& report) {
  Json tests = Json::array();
  for (const BenchTest& test : report.tests) tests.push_back(to_json(report, test));
  return {{"model",
           {{"name", report.name},
            {"architecture", report.architecture},
            {"format", report.format},
            {"parameters", report.parameters},
            {"synthetic", report.synthetic},
            {"context", report.context},
            {"kv_keys", plan::kv_name(report.kv_formats.keys)},
            {"kv_values", plan::kv_name(report.kv_formats.values)}}},
          {"device",
           {{"name", report.device.name}, {"type", report.device.type}, {"driver", report.device.driver}}},
          {"memory", to_json(report.memory)},
          {"load_seconds", report.load_seconds},
          {"read_gigabytes_per_second", optional(report.read_bandwidth)},
          {"far_read_gigabytes_per_second", optional(report.far_read_bandwidth)},
          {"matrix_teraflop_per_second", optional(report.matrix_speed)},
          {"step", {{"dispatches", report.step.dispatches}, {"barriers", report.step.barriers}}},
          {"tests", std::move(tests)}};
}

}  // namespace caldera::cli
