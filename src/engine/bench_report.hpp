// What a bench found, and the figures that follow from it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "caldera/model.hpp"
#include "engine/profile.hpp"

namespace caldera::engine {

enum class BenchKind { kPrompt, kDecode };

/// One test, all its repeats.
struct BenchTest {
  BenchKind kind = BenchKind::kPrompt;
  uint32_t tokens = 0;  ///< of each sequence
  uint32_t depth = 0;
  uint32_t sequences = 1;       ///< decoded together
  std::vector<double> seconds;  ///< of each repeat
  /// As above, of the processor: all threads of the process. Of decode tests, as what follows.
  std::vector<double> cpu_seconds;
  std::vector<double> longest_submissions;  ///< of each repeat: seconds of device time; of prompts too
  uint64_t weight_bytes = 0;                ///< read in a step, once for all sequences
  uint64_t far_bytes = 0;                   ///< of those, across the bus of a discrete device
  uint64_t kv_bytes = 0;                    ///< read in a step by all sequences, the mean over the test
  std::optional<Profile> profile;

  double rate() const;         ///< tokens a second of all sequences together, the median over the repeats
  double spread() const;       ///< the largest distance of a repeat from it
  double run_seconds() const;  ///< of what a profile's run is: a decode step, or the whole prompt
  double longest_submission() const;     ///< of all repeats, seconds
  double cpu_seconds_per_token() const;  ///< the median over the repeats
  uint64_t bytes() const { return weight_bytes + kv_bytes; }
  double all_tokens() const { return static_cast<double>(uint64_t{tokens} * sequences); }
};

/// What layers with one window compute for each pair of a query and a key that it sees.
struct AttentionWork {
  uint32_t window = 0;        ///< keys a query sees; 0: all
  uint64_t flop_per_key = 0;  ///< of all heads in all of these layers: 4 * heads * head
};

/// What reading a prompt takes of arithmetic; a multiplication and an addition are two.
struct PromptWork {
  uint64_t weights = 0;         ///< in the layers' matrices: multiplied with every token
  uint64_t output_weights = 0;  ///< in the output matrix: with the last token only
  std::vector<AttentionWork> attention;

  /// 2 * (weights * tokens + output_weights), and for each query flop_per_key for every key that it sees: as
  /// many as its position has before it, its own among them, at most the window.
  double flop(uint32_t tokens, uint32_t depth) const;
};

/// What layers with one window read of KV memory for each token that they attend to.
struct KvReads {
  uint32_t window = 0;  ///< tokens that are attended to at most; 0: all
  uint64_t bytes = 0;   ///< keys and values of one token in all of these layers
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
  std::optional<double> matrix_speed;  ///< 10^12 FLOP/s of matrix units (f16 into f32), measured in this run
  PromptWork prompt_work;
  KvFormats kv_formats;
  std::vector<KvReads> kv;  ///< all layers
  std::vector<BenchTest> tests;
  std::vector<std::string> validation_messages;  ///< what the validation layer had to say, if it was on

  /// Bytes of keys and values that a token after `depth` others reads, its own among them.
  uint64_t kv_bytes(uint32_t depth) const;
  /// Tokens a second of all sequences together if reading memory took all the time; of decode tests, where
  /// the bandwidth is known.
  std::optional<double> limit(const BenchTest& test) const;
  /// 10^12 FLOP/s that a prompt test reached; of others 0.
  double prompt_speed(const BenchTest& test) const;
};

}  // namespace caldera::engine
