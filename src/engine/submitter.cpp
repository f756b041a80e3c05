#include "engine/submitter.hpp"

#include <algorithm>
#include <thread>
#include <vector>

namespace caldera::engine {
namespace {

/// What is predicted to take less than this share of the target is timed once in so many submissions:
/// timestamps keep the device waiting for some 30 us (H200), 1.5 % of a decode step of 8B.
constexpr double kShort = 0.1;
constexpr uint32_t kSample = 16;
/// Steps that are predicted to take no longer than this, in seconds, are submitted in pairs: so much later
/// the first token of a pair comes at most. Submitting and waiting take the processor some 10 us each.
constexpr double kPairable = 2.5e-3;
/// Seconds of work between two questions whether to rest: rests are to be short, and temperatures to be read
/// seldom.
constexpr double kRestEvery = 0.05;

}  // namespace

uint64_t Submitter::submit(const BatchPass& batch, const kernels::BatchHead& head, const PassTokens& tokens,
                           const Progress& progress) {
  const PassWork& work = recordings_.work(batch.kind, batch.columns);
  const std::vector<OperationRun> parts = pace_.parts(work, tokens);
  for (size_t i = 0; i < parts.size(); ++i) {
    if (i > 0 && progress && !progress(static_cast<double>(i) / static_cast<double>(parts.size()))) return 0;
    submit_part(batch, head, work, parts[i], tokens);
  }
  return submitted_;
}

void Submitter::submit_part(const BatchPass& batch, const kernels::BatchHead& head, const PassWork& work,
                            const OperationRun& run, const PassTokens& tokens) {
  if (recordings_.profiling()) {
    const VkCommandBuffer buffer = recordings_.profiled(batch, run).handle();
    submitted_ = device_.submit({&buffer, 1});
    device_.wait(submitted_);
    return;
  }
  rest();
  const double predicted = pace_.seconds(work, run, tokens);
  worked_ += predicted;
  while (!under_way_.empty() && predicted_ + predicted > pace_.most_under_way())
    wait(under_way_.front().value);
  const bool costly = device_.physical().timestamp_bits > 0 && predicted < kShort * pace_.target();
  const bool timed = !costly || untimed_ >= kSample;
  untimed_ = timed ? 0 : untimed_ + 1;
  Recordings::Part& part = recordings_.part(batch, run, timed);
  const VkCommandBuffer buffer = part.recording.handle();
  const Clock::time_point now = Clock::now();
  // Held back only while the device has something to do, and never two at once.
  held_ = !held_ && batch.kind == BatchPass::Kind::kStep && predicted <= kPairable && !under_way_.empty();
  submitted_ = held_ ? device_.submit_with_next(buffer) : device_.submit({&buffer, 1});
  part.under_way = timed;
  under_way_.push_back({submitted_, &part, &head, &work, run, tokens, predicted, now});
  predicted_ += predicted;
}

void Submitter::rest() {
  if (!rest_ || worked_ < kRestEvery) return;
  const std::chrono::duration<double> seconds(rest_(worked_));
  worked_ = 0;
  if (seconds.count() <= 0) return;
  wait_all();  // while something is under way it is no rest
  std::this_thread::sleep_for(seconds);
}

void Submitter::wait(uint64_t value) {
  // With nothing behind it the device would be idle before what is held comes.
  if (held_ && (value == submitted_ || under_way_.size() <= 2)) {
    device_.submit({});
    held_ = false;
  }
  device_.wait(value);
  collect();
}

void Submitter::wait_all() {
  held_ = false;
  device_.wait_all();
  collect();
}

void Submitter::collect() {
  std::vector<UnderWay> done;
  double predicted = 0;
  while (!under_way_.empty() && device_.reached(under_way_.front().value)) {
    done.push_back(under_way_.front());
    under_way_.pop_front();
    predicted += done.back().predicted;
    done.back().part->under_way = false;
  }
  predicted_ = under_way_.empty() ? 0 : predicted_ - predicted;
  if (done.empty()) return;
  const Clock::time_point now = Clock::now();
  const auto since = [&](Clock::time_point time) {
    return std::chrono::duration<double>(now - time).count();
  };
  // A device without timestamps took no longer than the host knows of, for all of it together.
  const double together = since(std::max(done.front().submitted, before_));
  before_ = now;
  for (const UnderWay& one : done) {
    if (one.part->stopwatch == nullptr) continue;
    const double seconds = device_.physical().timestamp_bits > 0
                               ? one.part->stopwatch->seconds(since(one.submitted))
                               : together * one.predicted / predicted;
    longest_ = std::max(longest_, seconds);
    // Steps after the last sequence has ended do nothing, and say nothing.
    if (seconds < one.predicted / 2 && one.head->tokens == 0) continue;
    pace_.observe(*one.work, one.run, one.tokens, seconds);
  }
}

}  // namespace caldera::engine
