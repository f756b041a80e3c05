#include "engine/bench_report.hpp"

#include <algorithm>
#include <cmath>

namespace caldera::engine {

double BenchTest::rate() const {
  if (seconds.empty()) return 0;
  std::vector<double> sorted = seconds;
  std::sort(sorted.begin(), sorted.end());
  const size_t middle = sorted.size() / 2;
  const double median = sorted.size() % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
  return median > 0 ? tokens / median : 0;
}

double BenchTest::spread() const {
  double most = 0;
  for (const double one : seconds) {
    if (one > 0) most = std::max(most, std::abs(tokens / one - rate()));
  }
  return most;
}

std::optional<double> BenchReport::limit(const BenchTest& test) const {
  if (test.kind != BenchKind::kDecode || !read_bandwidth) return std::nullopt;
  if (test.far_bytes > 0 && !far_read_bandwidth) return std::nullopt;
  double seconds = static_cast<double>(test.bytes() - test.far_bytes) / (*read_bandwidth * 1e9);
  if (test.far_bytes > 0) seconds += static_cast<double>(test.far_bytes) / (*far_read_bandwidth * 1e9);
  return 1 / seconds;
}

}  // namespace caldera::engine
