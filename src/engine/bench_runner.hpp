// Runs the tests of a bench on an engine.
#pragma once

#include <cstdint>
#include <functional>
#include <random>
#include <string>
#include <vector>

#include "engine/bench.hpp"
#include "engine/bench_report.hpp"
#include "engine/engine.hpp"

namespace caldera::engine {

/// Holds as many sequences as the largest test decodes together.
class BenchRunner {
 public:
  /// Errors: kDevice where a profile is wanted and the device has no timestamps.
  BenchRunner(Engine& engine, const BenchOptions& options);
  ~BenchRunner();
  BenchRunner(const BenchRunner&) = delete;
  BenchRunner& operator=(const BenchRunner&) = delete;

  /// Reading a prompt of `tokens` after `depth` others.
  BenchTest prompt(uint32_t tokens, uint32_t depth);
  /// `steps` steps of `sequences` sequences together, each after `depth` tokens.
  BenchTest decode(uint32_t steps, uint32_t depth, uint32_t sequences);

 private:
  void tell(const std::string& what, uint64_t done, uint64_t total) const;
  /// Runs to warm up, once at least, and then as often as was asked for.
  void repeat(const std::string& what, const std::function<void(const std::string&)>& run) const;
  /// Drops figures of runs that warmed up.
  void keep_measured(std::vector<double>& runs) const;
  void append(Slot& slot, uint32_t tokens);
  void read(uint32_t index, const std::string& what);
  /// Makes a sequence `depth` tokens long, all of them computed.
  Slot& rewind(uint32_t index, uint32_t depth);
  /// Makes the first `sequences` sequences the decode batch, with room for `steps` steps.
  void begin_decode(uint32_t steps, uint32_t depth, uint32_t sequences);
  void end_decode(uint32_t sequences);
  /// Submits steps ahead, as generation does, and takes every token.
  void step(const BenchTest& test, const std::string& what);
  Profile profile_prompt(const BenchTest& test, const std::string& what);
  Profile profile_steps(const BenchTest& test, const std::string& what);

  Engine& engine_;
  const BenchOptions& options_;
  std::vector<uint32_t> slots_;
  std::mt19937 random_{1};
};

}  // namespace caldera::engine
