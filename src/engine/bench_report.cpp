#include "engine/bench_report.hpp"

#include <algorithm>
#include <cmath>

#include "engine/median.hpp"

namespace caldera::engine {

double BenchTest::rate() const {
  const double middle = median(seconds);
  return middle > 0 ? all_tokens() / middle : 0;
}

double BenchTest::spread() const {
  double most = 0;
  for (const double one : seconds) {
    if (one > 0) most = std::max(most, std::abs(all_tokens() / one - rate()));
  }
  return most;
}

double BenchTest::run_seconds() const {
  return kind == BenchKind::kPrompt ? median(seconds) : median(seconds) / std::max(1U, tokens);
}

double BenchTest::cpu_seconds_per_token() const {
  return median(cpu_seconds) / std::max(1.0, all_tokens());
}

uint64_t BenchReport::kv_bytes(uint32_t depth) const {
  uint64_t bytes = 0;
  for (const KvReads& layers : kv) {
    const uint64_t keys = uint64_t{depth} + 1;
    bytes += layers.bytes * (layers.window > 0 ? std::min<uint64_t>(layers.window, keys) : keys);
  }
  return bytes;
}

std::optional<double> BenchReport::limit(const BenchTest& test) const {
  if (test.kind != BenchKind::kDecode || !read_bandwidth) return std::nullopt;
  if (test.far_bytes > 0 && !far_read_bandwidth) return std::nullopt;
  double seconds = static_cast<double>(test.bytes() - test.far_bytes) / (*read_bandwidth * 1e9);
  if (test.far_bytes > 0) seconds += static_cast<double>(test.far_bytes) / (*far_read_bandwidth * 1e9);
  return test.sequences / seconds;
}

}  // namespace caldera::engine
