// Benches: the figures they give, and that what they compute is what generation computes.
#include "engine/bench.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cmath>

#include "caldera/error.hpp"
#include "engine/bandwidth.hpp"
#include "engine/engine.hpp"
#include "engine/models.hpp"
#include "model/synthetic.hpp"
#include "plan/families.hpp"

namespace caldera::engine {
namespace {

BenchOptions quick() {
  BenchOptions options;
  options.prompts = {40};
  options.decodes = {5};
  options.depths = {100, 0};
  options.repeats = 2;
  options.load.validation = true;
  return options;
}

void expect_error(ErrorKind kind, const std::string& part, const std::function<void()>& action) {
  try {
    action();
    ADD_FAILURE() << "nothing was thrown";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), kind) << error.what();
    EXPECT_THAT(error.what(), ::testing::HasSubstr(part));
  }
}

TEST(BenchReportTest, MedianSpreadAndLimit) {
  BenchTest test;
  test.kind = BenchKind::kDecode;
  test.tokens = 10;
  test.seconds = {1, 2, 0.5};
  EXPECT_DOUBLE_EQ(test.rate(), 10);
  EXPECT_DOUBLE_EQ(test.spread(), 10);
  test.seconds.push_back(1.5);
  EXPECT_DOUBLE_EQ(test.rate(), 8);
  EXPECT_DOUBLE_EQ(BenchTest{}.rate(), 0);
  BenchReport report;
  test.weight_bytes = 3000000000;
  test.kv_bytes = 1000000000;
  EXPECT_FALSE(report.limit(test).has_value());
  report.read_bandwidth = 8;
  EXPECT_DOUBLE_EQ(report.limit(test).value(), 2);
  test.far_bytes = 2000000000;
  EXPECT_FALSE(report.limit(test).has_value()) << "half of it is read at a speed that is not known";
  report.far_read_bandwidth = 4;
  EXPECT_DOUBLE_EQ(report.limit(test).value(), 1 / 0.75);
  EXPECT_DOUBLE_EQ(test.run_seconds(), 0.125);
  test.cpu_seconds = {4e-3, 2e-3, 9e-3, 2e-3};
  EXPECT_DOUBLE_EQ(test.cpu_seconds_per_token(), 3e-4);
  test.kind = BenchKind::kPrompt;
  EXPECT_FALSE(report.limit(test).has_value());
  EXPECT_DOUBLE_EQ(test.run_seconds(), 1.25);
}

TEST(BenchReportTest, SequencesTogether) {
  BenchTest test;
  test.kind = BenchKind::kDecode;
  test.tokens = 10;
  test.sequences = 4;
  test.seconds = {2};
  test.cpu_seconds = {4e-3};
  test.weight_bytes = 3000000000;
  test.kv_bytes = 1000000000;
  EXPECT_DOUBLE_EQ(test.rate(), 20);
  EXPECT_DOUBLE_EQ(test.run_seconds(), 0.2);
  EXPECT_DOUBLE_EQ(test.cpu_seconds_per_token(), 1e-4);
  BenchReport report;
  report.read_bandwidth = 8;
  EXPECT_DOUBLE_EQ(report.limit(test).value(), 8) << "one read of the weights is a token of each";
}

TEST(BenchReportTest, WindowsBoundWhatIsRead) {
  BenchReport report;
  report.kv = {{0, 1000}, {10, 300}};
  EXPECT_EQ(report.kv_bytes(0), 1300U);
  EXPECT_EQ(report.kv_bytes(9), 13000U);
  EXPECT_EQ(report.kv_bytes(99), 103000U);
}

TEST(BenchReportTest, ArithmeticOfPrompts) {
  const PromptWork dense{.weights = 1000, .output_weights = 10, .attention = {{0, 3}}};
  EXPECT_DOUBLE_EQ(dense.flop(1, 0), 2 * 1010 + 3);
  EXPECT_DOUBLE_EQ(dense.flop(4, 0), 2 * 4010 + 3 * (1 + 2 + 3 + 4));
  EXPECT_DOUBLE_EQ(dense.flop(2, 100), 2 * 2010 + 3 * (101 + 102));
  const PromptWork windows{.weights = 0, .output_weights = 0, .attention = {{3, 5}, {0, 7}}};
  EXPECT_DOUBLE_EQ(windows.flop(5, 0), 5 * (1 + 2 + 3 + 3 + 3) + 7 * 15);
  EXPECT_DOUBLE_EQ(windows.flop(2, 2), 5 * (3 + 3) + 7 * (3 + 4));
  EXPECT_DOUBLE_EQ(windows.flop(2, 10), 5 * 6 + 7 * (11 + 12));

  BenchReport report;
  report.prompt_work = {.weights = 500000000, .output_weights = 0, .attention = {}};
  BenchTest test;
  test.tokens = 100;
  test.seconds = {0.05};
  EXPECT_DOUBLE_EQ(report.prompt_speed(test), 2);
  test.kind = BenchKind::kDecode;
  EXPECT_EQ(report.prompt_speed(test), 0);
}

TEST(BenchTest, MeasuresAFile) {
  std::vector<std::string> said;
  BenchOptions options = quick();
  options.progress = [&](const BenchProgress& progress) {
    EXPECT_LE(progress.done, progress.total);
    if (said.empty() || said.back() != progress.what) said.push_back(progress.what);
    return true;
  };
  const auto start = std::chrono::steady_clock::now();
  const BenchReport report = bench(caldera::test::data("tiny_qwen3.gguf"), options);
  const double elapsed = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  EXPECT_EQ(report.architecture, "qwen3");
  EXPECT_FALSE(report.synthetic);
  EXPECT_EQ(report.context, 140U);
  EXPECT_GT(report.memory.weights, 0U);
  EXPECT_GT(report.step.dispatches, 0U);
  EXPECT_GT(report.read_bandwidth.value_or(0), 0);
  EXPECT_THAT(said, ::testing::Contains("filling 100 tokens of context"));
  EXPECT_THAT(said, ::testing::Contains("decoding 5 tokens at depth 100, 2 of 2"));
  ASSERT_EQ(report.tests.size(), 4U);
  double measured = 0;
  for (size_t i = 0; i < 4; ++i) {
    const BenchTest& test = report.tests[i];
    EXPECT_EQ(test.kind, i % 2 == 0 ? BenchKind::kPrompt : BenchKind::kDecode);
    EXPECT_EQ(test.depth, i < 2 ? 0U : 100U);
    ASSERT_EQ(test.seconds.size(), 2U);
    ASSERT_EQ(test.longest_submissions.size(), 2U);
    EXPECT_GT(test.longest_submission(), 0);
    EXPECT_LT(test.longest_submission(), test.seconds[0] + test.seconds[1]);
    for (const double seconds : test.seconds) {
      EXPECT_GT(seconds, 0);
      measured += seconds;
    }
    EXPECT_EQ(test.bytes() > 0, test.kind == BenchKind::kDecode);
  }
  EXPECT_LT(measured, elapsed);
  EXPECT_THAT(report.validation_messages, ::testing::IsEmpty());
  EXPECT_EQ(report.tests[1].weight_bytes, report.tests[3].weight_bytes);
  // Five steps see 1 to 5 keys, or 101 to 105: a hundred more in the mean.
  EXPECT_EQ((report.tests[3].kv_bytes - report.tests[1].kv_bytes) * 3, report.tests[1].kv_bytes * 100);
}

TEST(BenchTest, MeasuresSequencesTogether) {
  BenchOptions options = quick();
  options.prompts = {};
  options.depths = {70};
  options.sequences = {3, 1};
  const BenchReport report = bench(caldera::test::data("tiny_qwen3.gguf"), options);
  EXPECT_THAT(report.validation_messages, ::testing::IsEmpty());
  ASSERT_EQ(report.tests.size(), 2U);
  const BenchTest& one = report.tests[0];
  const BenchTest& three = report.tests[1];
  EXPECT_EQ(one.sequences, 1U);
  EXPECT_EQ(three.sequences, 3U);
  EXPECT_EQ(three.weight_bytes, one.weight_bytes) << "the weights are read once for all";
  EXPECT_EQ(three.kv_bytes, 3 * one.kv_bytes);
  for (const BenchTest& test : report.tests) {
    EXPECT_FALSE(test.profile.has_value());
    ASSERT_EQ(test.cpu_seconds.size(), 2U);
    EXPECT_GT(test.cpu_seconds_per_token(), 0) << "the software device is the processor";
  }
}

TEST(BenchTest, ProfilesWhatItTimes) {
  BenchOptions options = quick();
  options.load.arithmetic = Arithmetic::kF32;
  options.load.prefill_rows = 32;   // two batches for a prompt
  options.load.submit_target = 10;  // else a machine that stalls cuts steps, and cuts are barriers
  options.sequences = {1, 2};
  options.profile = true;
  options.depths = {30};
  const BenchReport report = bench(caldera::test::data("tiny_qwen3.gguf"), options);
  EXPECT_THAT(report.validation_messages, ::testing::IsEmpty());
  ASSERT_EQ(report.tests.size(), 3U);
  for (const BenchTest& test : report.tests) {
    ASSERT_TRUE(test.profile.has_value());
    const Profile& profile = *test.profile;
    double dispatches = 0;
    double seconds = profile.gap_seconds;
    double weights = 0;
    double kv = 0;
    for (const ProfiledOperation& one : profile.operations) {
      EXPECT_GT(one.count, 0) << one.name;
      EXPECT_GE(one.seconds, 0) << one.name;
      EXPECT_LE(one.median_seconds, one.seconds * profile.runs) << one.name;
      dispatches += one.count;
      seconds += one.seconds;
      (one.name.starts_with("attention") ? kv : weights) += one.bytes;
    }
    EXPECT_DOUBLE_EQ(dispatches, profile.dispatches);
    EXPECT_NEAR(seconds, profile.seconds, 1e-9);
    EXPECT_GT(profile.seconds, 0);
    EXPECT_LT(profile.gaps, profile.dispatches);
    EXPECT_TRUE(std::is_sorted(profile.operations.begin(), profile.operations.end(),
                               [](const auto& a, const auto& b) { return a.seconds > b.seconds; }));
    if (test.kind == BenchKind::kPrompt) {
      EXPECT_EQ(profile.runs, 3U);
      EXPECT_EQ(kv, 0);
      continue;
    }
    EXPECT_EQ(profile.runs, 4U) << "five steps, of which one warms up";
    EXPECT_EQ(profile.dispatches, report.step.dispatches);
    EXPECT_EQ(profile.barriers, report.step.barriers);
    EXPECT_EQ(weights, static_cast<double>(test.weight_bytes));
    // The four steps are the last four of five: half a token more than the mean over all.
    const uint64_t token = report.kv_bytes(0) * test.sequences;
    EXPECT_EQ(kv, static_cast<double>(test.kv_bytes) + static_cast<double>(token) / 2);
  }
}

TEST(BenchTest, MeasuresAShape) {
  const plan::ModelShape shape = plan::shape_named("smollm2-135m:q4_1");
  BenchOptions options = quick();
  options.depths = {0};
  const BenchReport report = bench(shape, options);
  EXPECT_TRUE(report.synthetic);
  EXPECT_EQ(report.name, shape.name);
  EXPECT_EQ(report.parameters, 134515008U);
  // All but the 61 norms is multiplied; the embedding is the output matrix too.
  EXPECT_EQ(report.prompt_work.weights + report.prompt_work.output_weights, 134515008U - 61 * 576);
  EXPECT_EQ(report.prompt_work.output_weights, 49152U * 576);
  ASSERT_EQ(report.prompt_work.attention.size(), 1U);
  EXPECT_EQ(report.prompt_work.attention[0].flop_per_key, 30U * 4 * 576);
  EXPECT_GT(report.prompt_speed(report.tests[0]), 0);
  EXPECT_THAT(report.validation_messages, ::testing::IsEmpty());
  ASSERT_EQ(report.tests.size(), 2U);
  // Nearly all of its weights are read: the embedding is the output matrix too.
  EXPECT_NEAR(static_cast<double>(report.tests[1].weight_bytes), static_cast<double>(report.memory.weights),
              4e5);
}

TEST(BenchTest, ActivationsStayFiniteThroughManyLayers) {
  plan::ModelShape shape = plan::shape_named("smollm2-135m:q4_1");
  const auto layers = static_cast<uint32_t>(shape.layers.size());
  shape.layers.resize(size_t{4} * layers, shape.layers[0]);
  for (plan::TensorShape& tensor : shape.tensors) {
    if (tensor.name.starts_with("blk.")) tensor.count *= 4;
  }
  LoadOptions options;
  options.context = 64;
  Engine engine(model::spec_of(shape), options, [&](vulkan::Device& device, const model::LoadCallback&) {
    return model::synthesize(shape, device, {});
  });
  const uint32_t slot = engine.open_slot();
  engine.slot(slot).tokens = {1, 2, 3, 49151};
  const std::vector<float> logits = engine.logits_from(slot, 0);
  ASSERT_EQ(logits.size(), 4U * shape.vocabulary);
  double squares = 0;
  for (const float logit : logits) {
    ASSERT_TRUE(std::isfinite(logit));
    squares += double{logit} * logit;
  }
  // A product of normalised activations with rows of variance 1 / columns.
  EXPECT_NEAR(squares / static_cast<double>(logits.size()), 1, 0.2);
  engine.close_slot(slot);
}

TEST(BenchTest, RefusesBeforeAnythingIsPlaced) {
  const auto never = [](const BenchProgress&) -> bool { throw std::logic_error("work began"); };
  BenchOptions options = quick();
  options.progress = never;
  expect_error(ErrorKind::kMemory, "llama-3.1-405b", [&] {
    BenchOptions small = options;
    small.load.memory_limit = uint64_t{1} << 30;
    bench(plan::shape_named("llama-3.1-405b:q8_0"), small);
  });
  plan::ModelShape strange = plan::shape_named("smollm2-135m:q4_1");
  strange.tensors[0].format = {"IQ9_Z", 0.5, std::nullopt};
  expect_error(ErrorKind::kUnsupported, "IQ9_Z", [&] { bench(strange, options); });
  BenchOptions none = options;
  none.prompts = {0};
  none.decodes = {};
  expect_error(ErrorKind::kUsage, "nothing to measure",
               [&] { bench(plan::shape_named("smollm2-135m:q4_1"), none); });
  BenchOptions crowd = options;
  crowd.sequences = {65};
  expect_error(ErrorKind::kUsage, "1 to 64", [&] { bench(plan::shape_named("smollm2-135m:q4_1"), crowd); });
  BenchOptions deep = options;
  deep.depths = {UINT32_MAX};
  expect_error(ErrorKind::kUsage, "context", [&] { bench(plan::shape_named("smollm2-135m:q4_1"), deep); });
}

TEST(BenchTest, CanBeCancelled) {
  BenchOptions options = quick();
  options.progress = [](const BenchProgress& progress) { return !progress.what.starts_with("decoding"); };
  expect_error(ErrorKind::kUsage, "cancelled",
               [&] { bench(caldera::test::data("tiny_qwen3.gguf"), options); });
}

TEST(BandwidthTest, NothingWhereThereIsNoSuchDeviceOrMemory) {
  EXPECT_FALSE(read_bandwidth("no such device").has_value());
  const auto devices = list_devices();
  if (devices.at(0).type != "discrete") {
    EXPECT_FALSE(read_bandwidth("", plan::Reach::kFar).has_value());
  }
}

}  // namespace
}  // namespace caldera::engine
