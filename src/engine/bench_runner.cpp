#include "engine/bench_runner.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <ctime>
#include <deque>
#include <span>

#include "caldera/error.hpp"

namespace caldera::engine {
namespace {

using Clock = std::chrono::steady_clock;

/// Runs that a profile is the mean of, after one that warms up.
constexpr uint32_t kProfiledSteps = 16;
constexpr uint32_t kProfiledPrompts = 3;
/// Telling how far it is more often would be counted as the processor's time of a token.
constexpr auto kBetweenWords = std::chrono::milliseconds(50);

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

/// Time that the process has used of its processors.
double cpu_seconds() {
  timespec now{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

/// Profiles as long as it lives.
class Profiling {
 public:
  explicit Profiling(Engine& engine) : engine_(engine), profiler_(engine.recordings().start_profile()) {}
  ~Profiling() {
    try {
      engine_.wait_all();
    } catch (const Error&) {  // a lost device has nothing under way
    }
    engine_.recordings().end_profile();
  }
  Profiling(const Profiling&) = delete;
  Profiling& operator=(const Profiling&) = delete;
  Profiler& profiler() { return profiler_; }

 private:
  Engine& engine_;
  Profiler& profiler_;
};

std::string name_of(const BenchTest& test) {
  const std::string tokens = fmt::format("{} tokens at depth {}", test.tokens, test.depth);
  if (test.kind == BenchKind::kPrompt) return "reading " + tokens;
  if (test.sequences == 1) return "decoding " + tokens;
  return fmt::format("decoding {} in {} sequences", tokens, test.sequences);
}

}  // namespace

BenchRunner::BenchRunner(Engine& engine, const BenchOptions& options) : engine_(engine), options_(options) {
  if (options.profile) const Profiling refused_early(engine);
  for (uint32_t i = 0; i < options.load.sequences; ++i) slots_.push_back(engine.open_slot());
}

BenchRunner::~BenchRunner() {
  try {
    for (const uint32_t slot : slots_) engine_.close_slot(slot);
  } catch (const Error&) {  // a lost device refuses even this
  }
}

BenchTest BenchRunner::prompt(uint32_t tokens, uint32_t depth) {
  BenchTest test;
  test.kind = BenchKind::kPrompt;
  test.tokens = tokens;
  test.depth = depth;
  repeat(name_of(test), [&](const std::string& what) {
    Slot& slot = rewind(slots_[0], depth);
    append(slot, tokens);
    slot.reserve(depth + tokens);
    engine_.forget_longest_submission();
    const auto start = Clock::now();
    read(slots_[0], what);
    test.seconds.push_back(seconds_since(start));
    test.longest_submissions.push_back(engine_.longest_submission());
  });
  keep_measured(test.seconds);
  keep_measured(test.longest_submissions);
  if (options_.profile) test.profile = profile_prompt(test, "profiling " + name_of(test));
  return test;
}

BenchTest BenchRunner::decode(uint32_t steps, uint32_t depth, uint32_t sequences) {
  BenchTest test;
  test.kind = BenchKind::kDecode;
  test.tokens = steps;
  test.depth = depth;
  test.sequences = sequences;
  repeat(name_of(test), [&](const std::string& what) {
    begin_decode(steps, depth, sequences);
    tell(what, 0, steps);
    engine_.forget_longest_submission();
    const auto start = Clock::now();
    const double cpu = cpu_seconds();
    step(test, what);
    test.cpu_seconds.push_back(cpu_seconds() - cpu);
    test.seconds.push_back(seconds_since(start));
    test.longest_submissions.push_back(engine_.longest_submission());
    end_decode(sequences);
  });
  keep_measured(test.seconds);
  keep_measured(test.longest_submissions);
  keep_measured(test.cpu_seconds);
  if (options_.profile) test.profile = profile_steps(test, "profiling " + name_of(test));
  return test;
}

void BenchRunner::keep_measured(std::vector<double>& runs) const {
  runs.erase(runs.begin(), runs.end() - options_.repeats);
}

void BenchRunner::tell(const std::string& what, uint64_t done, uint64_t total) const {
  if (options_.progress && !options_.progress({what, done, total})) {
    throw Error(ErrorKind::kUsage, "the bench was cancelled");
  }
}

void BenchRunner::repeat(const std::string& what, const std::function<void(const std::string&)>& run) const {
  // The first run tells how long prompts take, the next tunes, and clocks that fell meanwhile rise again.
  constexpr std::chrono::milliseconds kWarm(300);
  constexpr int kMostRuns = 20;
  const bool clocks = engine_.tunable() || engine_.prompts_tunable();  // a software device has none
  auto since = Clock::now();
  for (int i = 0; i < kMostRuns; ++i) {
    const size_t tunings = engine_.tunings();
    const auto start = Clock::now();
    run(what + ", warming up");
    if (!clocks || Clock::now() - start >= 10 * kWarm) break;  // a long run warms up in its beginning
    if (engine_.tunings() != tunings) since = Clock::now();
    if (i > 0 && Clock::now() - since >= kWarm) break;
  }
  for (uint32_t i = 1; i <= options_.repeats; ++i)
    run(fmt::format("{}, {} of {}", what, i, options_.repeats));
}

void BenchRunner::append(Slot& slot, uint32_t tokens) {
  for (uint32_t i = 0; i < tokens; ++i) {
    slot.tokens.push_back(static_cast<Token>(random_() % engine_.spec().vocabulary));
  }
}

void BenchRunner::read(uint32_t index, const std::string& what) {
  engine_.read(index, false, [&](uint32_t done, uint32_t total) {
    tell(what, done, total);
    return true;
  });
}

Slot& BenchRunner::rewind(uint32_t index, uint32_t depth) {
  engine_.wait_all();
  Slot& slot = engine_.slot(index);
  slot.truncate(depth);
  if (slot.tokens.size() == depth && slot.computed == depth) return slot;
  append(slot, depth - static_cast<uint32_t>(slot.tokens.size()));
  read(index, fmt::format("filling {} tokens of context", depth));
  return slot;
}

void BenchRunner::begin_decode(uint32_t steps, uint32_t depth, uint32_t sequences) {
  SamplingOptions greedy;
  greedy.temperature = 0;
  const std::span<const uint32_t> batch(slots_.data(), sequences);
  for (const uint32_t index : batch) {
    Slot& slot = rewind(index, depth);
    append(slot, 1);
    slot.reserve(depth + steps + 1);
  }
  engine_.begin_decode(batch);
  for (uint32_t i = 0; i < sequences; ++i) engine_.slot(batch[i]).begin(greedy, 0, i, {});
}

void BenchRunner::end_decode(uint32_t sequences) {
  for (uint32_t i = 0; i < sequences; ++i) engine_.leave_decode(slots_[i]);
}

void BenchRunner::step(const BenchTest& test, const std::string& what) {
  std::deque<uint64_t> in_flight;
  uint32_t submitted = 0;
  auto told = Clock::now();
  for (uint32_t taken = 0; taken < test.tokens; ++taken) {
    while (submitted < test.tokens && in_flight.size() < engine_.steps_ahead()) {
      ++submitted;
      in_flight.push_back(engine_.submit_step(test.depth + submitted));
    }
    engine_.wait(in_flight.front());
    in_flight.pop_front();
    for (uint32_t i = 0; i < test.sequences; ++i) {
      static_cast<void>(engine_.slot(slots_[i]).drawn(taken));  // throws where the device computed nonsense
    }
    if (Clock::now() - told < kBetweenWords) continue;
    tell(what, taken + 1, test.tokens);
    told = Clock::now();
  }
}

Profile BenchRunner::profile_prompt(const BenchTest& test, const std::string& what) {
  Profiling profiling(engine_);
  Profiler& profiler = profiling.profiler();
  for (uint32_t i = 0; i <= kProfiledPrompts; ++i) {
    Slot& slot = rewind(slots_[0], test.depth);
    append(slot, test.tokens);
    slot.reserve(test.depth + test.tokens);
    profiler.begin_run(0, 0);
    read(slots_[0], what);
    profiler.end_run();
    if (i == 0) profiler.forget();
  }
  return profiler.profile();
}

Profile BenchRunner::profile_steps(const BenchTest& test, const std::string& what) {
  const uint32_t runs = std::min(test.tokens, 1 + kProfiledSteps);
  begin_decode(runs, test.depth, test.sequences);
  Profiling profiling(engine_);
  Profiler& profiler = profiling.profiler();
  for (uint32_t i = 0; i < runs; ++i) {
    tell(what, i, runs);
    const uint32_t keys = test.depth + 1 + i;
    profiler.begin_run(keys, test.sequences);
    engine_.wait(engine_.submit_step(keys));
    profiler.end_run();
    if (i == 0 && runs > 1) profiler.forget();
  }
  end_decode(test.sequences);
  return profiler.profile();
}

}  // namespace caldera::engine
