// Cutting passes into submissions, on devices that are formulas.
#include "engine/submission_pace.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <set>

namespace caldera::engine {
namespace {

/// A model's shape and a device's speeds. Work is counted as for real operations: bytes as four,
/// multiply-adds as one.
struct Machine {
  uint32_t layers = 32;
  uint32_t width = 4096;
  uint32_t ffn = 14336;
  uint32_t vocabulary = 128256;
  double bytes_per_weight = 0.56;
  double bandwidth = 215e9;      ///< bytes a second
  double multiply_adds = 8e12;   ///< a second, in large products
  double attention_adds = 3e12;  ///< a second, in prompts
  double dispatch = 5e-6;        ///< seconds
  double noise = 0.05;           ///< relative

  std::vector<OperationWork> body() const {
    std::vector<OperationWork> all = {{.per_column = 16.0 * width}};
    for (uint32_t i = 0; i < layers; ++i) {
      all.push_back({.per_column = 16.0 * width});
      all.push_back(product(1.5 * width));
      all.push_back({.per_column = 24.0 * width});
      all.push_back({.per_column = 24.0 * width, .per_key = 2.0 * width, .heavy = true});
      all.push_back(product(width));
      all.push_back({.per_column = 16.0 * width});
      all.push_back(product(2.0 * ffn));
      all.push_back(product(ffn));
    }
    return all;
  }
  PassWork reading() const { return {PassKind::kRead, body(), body().size()}; }
  PassWork step() const {
    std::vector<OperationWork> all = body();
    const size_t head = all.size();
    all.push_back(product(vocabulary));
    all.push_back({.per_column = 16.0 * vocabulary});
    return {PassKind::kStep, all, head};
  }
  double seconds(const PassWork& pass, const OperationRun& run, const PassTokens& tokens) {
    double sum = 0;
    for (uint32_t i = run.begin; i < run.end; ++i) {
      const OperationWork& operation = pass.operations[i];
      const Work work = operation.of(tokens);
      const double bytes = operation.fixed / 4;
      sum += dispatch + std::max(bytes / bandwidth, (work.matrix - operation.fixed) / multiply_adds);
      // A step reads keys and values once for all heads that share them: 2 bytes for 4 heads.
      sum += tokens.neighbours ? work.attention / attention_adds : work.attention / 2 / bandwidth;
    }
    return sum * (1 + noise * std::uniform_real_distribution<double>(-1, 1)(random));
  }

  OperationWork product(double rows) const {
    const double weights = rows * width;
    return {.fixed = 4 * weights * bytes_per_weight, .per_column = weights, .heavy = true};
  }
  std::mt19937 random{7};
};

/// What was submitted.
struct Submitted {
  std::vector<double> seconds;    ///< of each submission
  std::vector<uint32_t> batches;  ///< tokens of each
  std::set<std::pair<uint32_t, std::pair<uint32_t, uint32_t>>> recordings;
  double longest(size_t from = 0) const {
    return *std::max_element(seconds.begin() + static_cast<std::ptrdiff_t>(from), seconds.end());
  }
};

/// Reads `tokens` tokens after `first` others.
Submitted read(Machine& machine, SubmissionPace& pace, uint32_t first, uint32_t tokens) {
  const PassWork pass = machine.reading();
  Submitted run;
  for (uint32_t done = 0; done < tokens;) {
    const NextRead next = pace.next_read(pass, first + done, tokens - done);
    EXPECT_GT(next.tokens, 0U);
    EXPECT_LE(next.tokens, tokens - done);
    const PassTokens batch{next.tokens, first + done, true};
    std::vector<double> took;
    for (const OperationRun& part : next.parts) {
      took.push_back(machine.seconds(pass, part, batch));
      run.recordings.insert({work_class(PassKind::kRead, next.tokens).doublings, {part.begin, part.end}});
    }
    for (size_t i = 0; i < took.size(); ++i) pace.observe(pass, next.parts[i], batch, took[i]);
    run.seconds.insert(run.seconds.end(), took.begin(), took.end());
    run.batches.push_back(next.tokens);
    done += next.tokens;
  }
  return run;
}

Submitted decode(Machine& machine, SubmissionPace& pace, uint32_t sequences, uint32_t depth, uint32_t steps) {
  const PassWork pass = machine.step();
  Submitted run;
  for (uint32_t i = 0; i < steps; ++i) {
    const PassTokens tokens{sequences, depth + i, false};
    const std::vector<OperationRun> parts = pace.parts(pass, tokens);
    for (const OperationRun& part : parts) {
      run.seconds.push_back(machine.seconds(pass, part, tokens));
      pace.observe(pass, part, tokens, run.seconds.back());
    }
    run.batches.push_back(static_cast<uint32_t>(parts.size()));
  }
  return run;
}

/// The finest parts.
std::vector<OperationRun> leaves(const PassCuts& cuts) {
  std::vector<OperationRun> runs;
  for (const PassCuts::Node& node : cuts.nodes()) {
    if (node.first == 0) runs.push_back(node.run);
  }
  std::ranges::sort(runs);
  return runs;
}

TEST(PassCutsTest, HalvesDownToHeavyOperations) {
  const OperationWork light{.per_column = 1};
  const OperationWork heavy{.per_column = 1000, .heavy = true};
  const std::vector<OperationWork> pass = {light, light, heavy, heavy, light, heavy, light};
  const PassCuts cuts(pass);
  EXPECT_EQ(cuts.nodes()[0].run, (OperationRun{0, 7}));
  // Light ones go with what follows, and the last ones with what was before.
  EXPECT_EQ(leaves(cuts), (std::vector<OperationRun>{{0, 3}, {3, 4}, {4, 7}}));
}

TEST(PassCutsTest, HalvesOfAModel) {
  const PassWork pass = Machine{}.step();
  const auto nodes = pass.cuts.nodes();
  const double all = sum_of(pass.operations, {}).matrix;
  for (const PassCuts::Node& node : nodes) {
    if (node.first == 0) continue;
    EXPECT_EQ(nodes[node.first].run.begin, node.run.begin);
    EXPECT_EQ(nodes[node.first].run.end, nodes[node.second].run.begin);
    EXPECT_EQ(nodes[node.second].run.end, node.run.end);
  }
  const OperationRun half = nodes[nodes[0].first].run;
  EXPECT_NEAR(sum_of(std::span(pass.operations).first(half.end), {}).matrix / all, 0.5, 0.05);
  EXPECT_EQ(leaves(pass.cuts).size(), 32U * 5 + 1) << "heavy operations";
}

TEST(PassCutsTest, NothingToCut) {
  EXPECT_EQ(PassCuts({}).nodes().size(), 1U);
  const std::vector<OperationWork> light = {{.per_column = 1}, {.per_column = 1}};
  const PassCuts cuts(light);
  ASSERT_EQ(cuts.nodes().size(), 1U);
  EXPECT_EQ(cuts.nodes()[0].run, (OperationRun{0, 2}));
}

TEST(SubmissionPaceTest, OnlyWhatIsTooLongIsCut) {
  SubmissionPace pace({.target = 1, .units_per_second = 1});
  const OperationWork small{.per_column = 0.1, .heavy = true};
  const PassWork pass(PassKind::kRead, {small, small, small, small, {.per_column = 9, .heavy = true}}, 5);
  EXPECT_EQ(pace.parts(pass, {}), (std::vector<OperationRun>{{0, 4}, {4, 5}}));
}

TEST(SubmissionPaceTest, AFastDeviceIsNotCut) {
  Machine machine{.bandwidth = 4e12, .multiply_adds = 150e12, .attention_adds = 60e12};
  SubmissionPace pace({});
  read(machine, pace, 0, 512);  // learns
  const Submitted again = read(machine, pace, 0, 4096);
  EXPECT_EQ(again.seconds.size(), 8U) << "eight batches of 512, each whole";
  decode(machine, pace, 1, 0, 3);
  const Submitted steps = decode(machine, pace, 1, 4096, 100);
  EXPECT_EQ(steps.seconds.size(), 100U);
  EXPECT_EQ(pace.steps_ahead(machine.step(), {1, 4096, false}), 4U);
}

TEST(SubmissionPaceTest, NothingIsKnownAtFirst) {
  for (const double speed : {1.0, 0.01}) {
    Machine machine{
        .bandwidth = 2e12 * speed, .multiply_adds = 100e12 * speed, .attention_adds = 60e12 * speed};
    SubmissionPace pace({});
    const Submitted run = read(machine, pace, 0, 2048);
    EXPECT_LT(run.longest(), 0.2) << speed;
    SubmissionPace fresh({});
    EXPECT_LT(decode(machine, fresh, 1, 100, 10).longest(), 0.2) << speed;
  }
}

TEST(SubmissionPaceTest, ALongPromptOnStrixHalo) {
  Machine machine;
  SubmissionPace pace({.most_tokens = 2048});
  const Submitted run = read(machine, pace, 0, 131072);
  EXPECT_LT(run.longest(), 0.2);
  EXPECT_GE(*std::min_element(run.batches.begin() + 4, run.batches.end() - 1), 128U);
  EXPECT_LT(run.recordings.size(), 1000U);
  double after_learning = 0;
  for (size_t i = 20; i < run.seconds.size(); ++i) after_learning += run.seconds[i];
  EXPECT_GT(after_learning / static_cast<double>(run.seconds.size() - 20), 0.02) << "not cut to shreds";
}

TEST(SubmissionPaceTest, TheHeadlineModelOnStrixHalo) {
  Machine machine{
      .layers = 126, .width = 16384, .ffn = 53248, .bytes_per_weight = 0.195, .multiply_adds = 9e12};
  SubmissionPace pace({});
  const Submitted prompt = read(machine, pace, 0, 2048);
  EXPECT_LT(prompt.longest(), 0.2);
  const Submitted steps = decode(machine, pace, 1, 2048, 20);
  EXPECT_LT(steps.longest(), 0.2);
  EXPECT_GE(steps.batches.back(), 4U);
  EXPECT_LE(steps.batches.back(), 16U);
  EXPECT_EQ(pace.steps_ahead(machine.step(), {1, 2048, false}), 1U);
  const Submitted deep = decode(machine, pace, 1, 32768, 20);
  EXPECT_LT(deep.longest(), 0.2);
  const Submitted together = decode(machine, pace, 8, 2048, 20);
  EXPECT_LT(together.longest(), 0.2);
}

TEST(SubmissionPaceTest, ADeepContextAfterAShallowOne) {
  Machine machine;
  SubmissionPace pace({});
  read(machine, pace, 0, 4096);
  const Submitted deep = read(machine, pace, 100000, 4096);
  EXPECT_LT(deep.longest(), 0.2);
  EXPECT_LT(decode(machine, pace, 1, 120000, 10).longest(), 0.2);
}

TEST(SubmissionPaceTest, OthersOnTheDevice) {
  Machine machine;
  SubmissionPace pace({});
  read(machine, pace, 0, 8192);
  machine.attention_adds /= 1.8;
  machine.multiply_adds /= 1.8;
  machine.bandwidth /= 1.8;
  const Submitted shared = read(machine, pace, 0, 8192);
  EXPECT_LT(shared.longest(), 0.2);
  EXPECT_LT(shared.longest(shared.seconds.size() / 2), 0.13) << "and soon it is as before";
}

TEST(SubmissionPaceTest, ATargetTooShortForOneOperation) {
  Machine machine;
  SubmissionPace pace({.target = 1e-6});
  const Submitted run = read(machine, pace, 0, 64);
  EXPECT_EQ(*std::max_element(run.batches.begin(), run.batches.end()), 2U);
}

TEST(SubmissionPaceTest, ASingleTokenIsReadOnlyWhereOneIsLeft) {
  SubmissionPace pace({.target = 1e9, .most_tokens = 64});
  const PassWork pass = Machine{}.reading();
  EXPECT_EQ(pace.next_read(pass, 0, 1).tokens, 1U);
  EXPECT_EQ(pace.next_read(pass, 0, 64).tokens, 64U);
  EXPECT_EQ(pace.next_read(pass, 0, 65).tokens, 63U);
  EXPECT_EQ(pace.next_read(pass, 0, 66).tokens, 64U);
}

TEST(SubmissionPaceTest, PredictsWhatAPromptTakes) {
  Machine machine;
  SubmissionPace pace({});
  const PassWork pass = machine.reading();
  EXPECT_EQ(pace.seconds_to_read(pass, 0, 1000), 0);
  read(machine, pace, 0, 8192);
  for (const uint32_t tokens : {300U, 5000U, 60000U}) {
    SubmissionPace copy = pace;
    const double predicted = pace.seconds_to_read(pass, 8192, tokens);
    double took = 0;
    for (const double seconds : read(machine, copy, 8192, tokens).seconds) took += seconds;
    EXPECT_NEAR(predicted / took, 1, 0.25) << tokens;
  }
}

}  // namespace
}  // namespace caldera::engine
