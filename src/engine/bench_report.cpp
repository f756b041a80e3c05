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

double BenchTest::longest_submission() const {
  return longest_submissions.empty() ? 0 : *std::ranges::max_element(longest_submissions);
}

double BenchTest::cpu_seconds_per_token() const {
  return median(cpu_seconds) / std::max(1.0, all_tokens());
}

double PromptWork::flop(uint32_t tokens, uint32_t depth) const {
  double flop = 2 * (static_cast<double>(weights) * tokens + static_cast<double>(output_weights));
  for (const AttentionWork& layers : attention) {
    // All that the queries at positions 0 to n - 1 see: each one more than the last, until the window is
    // full.
    const auto keys_until = [&](uint64_t n) {
      const uint64_t growing = layers.window > 0 ? std::min<uint64_t>(layers.window, n) : n;
      return static_cast<double>(growing) * (static_cast<double>(growing) + 1) / 2 +
             static_cast<double>(n - growing) * layers.window;
    };
    flop +=
        static_cast<double>(layers.flop_per_key) * (keys_until(uint64_t{depth} + tokens) - keys_until(depth));
  }
  return flop;
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

double BenchReport::prompt_speed(const BenchTest& test) const {
  if (test.kind != BenchKind::kPrompt || test.tokens == 0) return 0;
  return prompt_work.flop(test.tokens, test.depth) * test.rate() / test.tokens * 1e-12;
}

}  // namespace caldera::engine
