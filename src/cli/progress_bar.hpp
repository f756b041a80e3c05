// A line on the terminal that shows how far something is.
#pragma once

#include <chrono>
#include <string>
#include <string_view>

namespace caldera::cli {

/// Draws on standard error, at most ten times a second, and wipes itself when it goes.
class ProgressBar {
 public:
  /// Draws nothing where standard error is not a terminal or `wanted` is false, and nothing in the first
  /// `delay`: what is quick needs no bar.
  ProgressBar(std::string label, bool wanted, std::chrono::milliseconds delay = {});
  ~ProgressBar() { clear(); }
  ProgressBar(const ProgressBar&) = delete;
  ProgressBar& operator=(const ProgressBar&) = delete;

  /// Shows `done` of `total` and what `detail` says, in words.
  void update(uint64_t done, uint64_t total, std::string_view detail);
  /// Wipes the line; a later update draws it again.
  void clear() noexcept;
  double seconds() const;  ///< since it was made

 private:
  using Clock = std::chrono::steady_clock;

  std::string label_;
  bool enabled_;
  bool drawn_ = false;
  Clock::time_point start_ = Clock::now();
  Clock::time_point next_;
};

}  // namespace caldera::cli
