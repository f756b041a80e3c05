// How much longer a prompt will be read, from how fast it was read so far.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace caldera::cli {

/// A token costs what the weights take and what the attention to all before it takes: a + b * depth. Both are
/// fitted to the pieces read so far, because going on in a straight line promises far too little.
class ReadingEstimate {
 public:
  /// `before`: tokens that were read earlier, `total`: to be read.
  ReadingEstimate(uint64_t before, uint64_t total)
      : before_(static_cast<double>(before)), total_(static_cast<double>(total)) {}

  /// `done` of the tokens to be read have been, `seconds` after the start.
  void add(uint64_t done, double seconds);
  /// Nothing as long as it could be wrong by a quarter and more.
  std::optional<double> seconds_left() const;

 private:
  double before_;
  double total_;
  double done_ = 0;     ///< where the last piece ended
  double seconds_ = 0;  ///< and when
  uint32_t pieces_ = 0;
  // Sums over the pieces, of tokens u and tokens times depth v, and seconds y; a piece weighs 1 / u.
  double count_ = 0;
  double uu_ = 0;
  double uv_ = 0;
  double vv_ = 0;
  double uy_ = 0;
  double vy_ = 0;
  double yy_ = 0;
};

/// "34816 of 100000 tokens, 1234 tokens/s, about 1 min 20 s left"
std::string describe_reading(uint64_t done, uint64_t total, double seconds, std::optional<double> left);

/// "45 s", "3 min 20 s", "1 h 5 min"
std::string human_seconds(double seconds);

}  // namespace caldera::cli
