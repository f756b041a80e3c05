// What a bench found, as people and programs read it.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "engine/bench_report.hpp"

namespace caldera::cli {

/// Lines about model, device and memory, then a table with a row for each test.
std::string bench_table(const engine::BenchReport& report);

/// The same as Markdown, ready to be quoted.
std::string bench_markdown(const engine::BenchReport& report);

nlohmann::ordered_json bench_json(const engine::BenchReport& report);

}  // namespace caldera::cli
