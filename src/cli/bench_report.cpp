#include "cli/bench_report.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <vector>

#include "cli/memory_json.hpp"
#include "cli/output.hpp"

namespace caldera::cli {
namespace {

using engine::BenchKind;
using engine::BenchReport;
using engine::BenchTest;
using Json = nlohmann::ordered_json;

constexpr size_t kColumns = 7;
using Row = std::array<std::string, kColumns>;

const Row kHeads = {"test", "depth", "tokens/s", "spread", "GB/token", "GB/s", "of bandwidth"};

double gigabytes(uint64_t bytes) {
  return static_cast<double>(bytes) / 1e9;
}

/// Three significant figures or a whole number: 0.0952, 35.1, 4620.
std::string figure(double value) {
  if (value >= 100) return fmt::format("{:.0f}", value);
  return fmt::format("{:#.3g}", value);
}

Row row_of(const BenchReport& report, const BenchTest& test) {
  const bool decode = test.kind == BenchKind::kDecode;
  Row row = {fmt::format("{} {}", decode ? "decode" : "prompt", test.tokens), std::to_string(test.depth),
             fmt::format("{:.2f}", test.rate()), fmt::format("±{:.2f}", test.spread())};
  if (decode) {
    row[4] = figure(gigabytes(test.bytes()));
    row[5] = figure(gigabytes(test.bytes()) * test.rate());
  }
  if (const auto limit = report.limit(test)) row[6] = fmt::format("{:.0f} %", 100 * test.rate() / *limit);
  return row;
}

/// Characters that a terminal shows of a cell: "±" is two bytes.
size_t width_of(const std::string& cell) {
  return static_cast<size_t>(std::count_if(
      cell.begin(), cell.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
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
  lines.push_back(fmt::format("work: {} dispatches and {} barriers per decoded token", report.step.dispatches,
                              report.step.barriers));
  return lines;
}

Json optional(const std::optional<double>& value) {
  return value ? Json(*value) : Json();
}

Json to_json(const BenchReport& report, const BenchTest& test) {
  const bool decode = test.kind == BenchKind::kDecode;
  Json json = {{"kind", decode ? "decode" : "prompt"}, {"tokens", test.tokens},   {"depth", test.depth},
               {"tokens_per_second", test.rate()},     {"spread", test.spread()}, {"seconds", test.seconds}};
  if (!decode) return json;
  const std::optional<double> limit = report.limit(test);
  json["weight_bytes_per_token"] = test.weight_bytes;
  json["far_bytes_per_token"] = test.far_bytes;
  json["kv_bytes_per_token"] = test.kv_bytes;
  json["bytes_per_token"] = test.bytes();
  json["gigabytes_per_second"] = gigabytes(test.bytes()) * test.rate();
  json["limit_tokens_per_second"] = optional(limit);
  json["share_of_limit"] = limit ? Json(test.rate() / *limit) : Json();
  return json;
}

}  // namespace

std::string bench_table(const BenchReport& report) {
  std::vector<Row> rows = {kHeads};
  for (const BenchTest& test : report.tests) rows.push_back(row_of(report, test));
  std::array<size_t, kColumns> widths{};
  for (const Row& row : rows) {
    for (size_t i = 0; i < kColumns; ++i) widths[i] = std::max(widths[i], width_of(row[i]));
  }
  std::string out;
  for (const std::string& line : facts(report)) out += line + "\n";
  out += "\n";
  for (const Row& row : rows) {
    std::string line = row[0] + std::string(widths[0] - width_of(row[0]), ' ');
    for (size_t i = 1; i < kColumns; ++i) line += std::string(2 + widths[i] - width_of(row[i]), ' ') + row[i];
    out += line.substr(0, line.find_last_not_of(' ') + 1) + "\n";
  }
  return out;
}

std::string bench_markdown(const BenchReport& report) {
  std::string out;
  for (const std::string& line : facts(report)) out += fmt::format("- {}\n", line);
  out += fmt::format("\n| {} |\n|---|{}\n", fmt::join(kHeads, " | "), "--:|--:|--:|--:|--:|--:|");
  for (const BenchTest& test : report.tests) {
    out += fmt::format("| {} |\n", fmt::join(row_of(report, test), " | "));
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
            {"context", report.context}}},
          {"device",
           {{"name", report.device.name}, {"type", report.device.type}, {"driver", report.device.driver}}},
          {"memory", to_json(report.memory)},
          {"load_seconds", report.load_seconds},
          {"read_gigabytes_per_second", optional(report.read_bandwidth)},
          {"far_read_gigabytes_per_second", optional(report.far_read_bandwidth)},
          {"step", {{"dispatches", report.step.dispatches}, {"barriers", report.step.barriers}}},
          {"tests", std::move(tests)}};
}

}  // namespace caldera::cli
