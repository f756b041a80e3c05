// A bench's decode tests as a picture.
#pragma once

#include <string>
#include <string_view>

#include "engine/bench_report.hpp"

namespace caldera::cli {

/// Tokens per second against depth as SVG, with the limit that memory sets where it is known: a line and its
/// limit for each number of sequences and length of test. `date`: of the tests, for the title.
std::string bench_plot(const engine::BenchReport& report, std::string_view date);

}  // namespace caldera::cli
