// What a bench found, and the figures that follow from it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "caldera/model.hpp"

namespace caldera::engine {

enum class BenchKind { kPrompt, kDecode };

/// One test, all its repeats.
struct BenchTest {
  BenchKind kind = BenchKind::kPrompt;
  uint32_t tokens = 0;
  uint32_t depth = 0;
  std::vector<double> seconds;  ///< of each repeat
  uint64_t weight_bytes = 0;    ///< read per token; of decode tests, as what follows
  uint64_t far_bytes = 0;       ///< of those, across the bus of a discrete device
  uint64_t kv_bytes = 0;        ///< read per token, the mean over the test

  double rate() const;    ///< tokens a second, the median over the repeats
  double spread() const;  ///< the largest distance of a repeat from it
  uint64_t bytes() const { return weight_bytes + kv_bytes; }
};

struct BenchReport {
  std::string name;
  std::string architecture;
  std::string format;  ///< that most weights are in
  uint64_t parameters = 0;
  uint32_t context = 0;
  bool synthetic = false;  ///< of random weights
  DeviceInfo device;
  MemoryUse memory;                          ///< after the last test
  LoadReport load;                           ///< how the weights came there
  double load_seconds = 0;                   ///< until the first test could begin
  StepShape step;                            ///< work recorded for one decoded token
  std::optional<double> read_bandwidth;      ///< 10^9 bytes a second, measured in this run
  std::optional<double> far_read_bandwidth;  ///< as above, where weights lie across the bus
  std::vector<BenchTest> tests;
  std::vector<std::string> validation_messages;  ///< what the validation layer had to say, if it was on

  /// Tokens a second if reading memory took all the time; of decode tests, where the bandwidth is known.
  std::optional<double> limit(const BenchTest& test) const;
};

}  // namespace caldera::engine
