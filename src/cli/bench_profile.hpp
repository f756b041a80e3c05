// Where the time of a bench's steps and prompts went, as people and programs read it.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "cli/table.hpp"
#include "engine/bench_report.hpp"

namespace caldera::cli {

/// "decode 128", "prompt 512".
std::string test_name(const engine::BenchTest& test);

/// The lines above the table of a test's profile: what ran, and how long without timestamps.
std::string profile_heading(const engine::BenchTest& test);

/// A row for each operation, one for the gaps, and one for the whole.
Table profile_table(const engine::Profile& profile);

nlohmann::ordered_json profile_json(const engine::BenchTest& test);

}  // namespace caldera::cli
