// Gives passes to the device in parts of bounded time, and learns from what they took.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <utility>

#include "engine/recordings.hpp"
#include "engine/submission_pace.hpp"
#include "kernels/state.hpp"
#include "vulkan/device.hpp"

namespace caldera::engine {

/// Each part is a submission of its own, so that it is a job of its own to the kernel's driver, whose
/// watchdog counts jobs; only short steps go in pairs. Their order is the queue's, and recordings order their
/// memory themselves.
class Submitter {
 public:
  /// `rest`: see LoadOptions.
  Submitter(vulkan::Device& device, Recordings& recordings, const SubmissionPace::Options& options,
            std::function<double(double worked)> rest = {})
      : device_(device), recordings_(recordings), pace_(options), rest_(std::move(rest)) {}

  /// Called before each part but the first with the share that is submitted; false: no more.
  using Progress = std::function<bool(double share)>;

  /// Submits the pass, and waits only where too much is under way. Returns the timeline value that is reached
  /// when it is done; 0: `progress` ended it.
  /// `head` is the batch's, as the host sees it.
  uint64_t submit(const BatchPass& batch, const kernels::BatchHead& head, const PassTokens& tokens,
                  const Progress& progress = {});

  /// Waits for the timeline, or for everything, and takes the times of what is done.
  void wait(uint64_t value);
  void wait_all();

  const SubmissionPace& pace() const { return pace_; }
  Recordings& recordings() { return recordings_; }

  /// Seconds that the longest submission took since forget_longest(), of those waited for and timed: of many
  /// that are far below the target, one.
  double longest() const { return longest_; }
  void forget_longest() {
    longest_ = 0;
    untimed_ = UINT32_MAX;  // the next one is timed
  }

 private:
  using Clock = std::chrono::steady_clock;
  struct UnderWay {
    uint64_t value = 0;
    Recordings::Part* part = nullptr;
    const kernels::BatchHead* head = nullptr;
    const PassWork* work = nullptr;
    OperationRun run;
    PassTokens tokens;
    double predicted = 0;  ///< seconds
    Clock::time_point submitted;
  };

  void submit_part(const BatchPass& batch, const kernels::BatchHead& head, const PassWork& work,
                   const OperationRun& run, const PassTokens& tokens);
  /// Takes the times of what is done.
  void collect();
  /// Lets the device rest where it has worked long enough to ask for how long.
  void rest();

  vulkan::Device& device_;
  Recordings& recordings_;
  SubmissionPace pace_;
  std::function<double(double worked)> rest_;
  double worked_ = 0;  ///< predicted seconds of what was submitted since the last rest
  std::deque<UnderWay> under_way_;
  double predicted_ = 0;      ///< seconds of what is under way
  Clock::time_point before_;  ///< when what was collected last was known to be done
  uint64_t submitted_ = 0;    ///< the last timeline value
  uint32_t untimed_ = 0;      ///< submissions since one was timed
  bool held_ = false;         ///< the last one waits for the next submission
  double longest_ = 0;
};

}  // namespace caldera::engine
