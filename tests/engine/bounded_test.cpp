// Submissions bounded in time on a device that is slow: Mesa's software device on one core.
#include <gtest/gtest.h>
#include <sched.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <ctime>
#include <vector>

#include "caldera/error.hpp"
#include "engine/engine.hpp"
#include "engine/synthetic_engine.hpp"
#include "plan/families.hpp"

namespace caldera::engine {
namespace {

/// Before any driver starts its threads.
class OneCore : public ::testing::Environment {
 public:
  void SetUp() override {
    cpu_set_t all;
    ASSERT_EQ(sched_getaffinity(0, sizeof(all), &all), 0);
    int first = 0;
    while (!CPU_ISSET(first, &all)) ++first;
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(first, &one);
    ASSERT_EQ(sched_setaffinity(0, sizeof(one), &one), 0);
  }
};

[[maybe_unused]] const ::testing::Environment* const kOneCore =
    ::testing::AddGlobalTestEnvironment(new OneCore);

double wall() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

double processor() {
  timespec now{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

constexpr uint32_t kVocabulary = 4096;

/// SmolLM2 with so many layers and fewer tokens to choose from.
plan::ModelShape shape_of(uint32_t layers) {
  plan::ModelShape shape = plan::shape_named("smollm2-135m:q4_1");
  for (plan::TensorShape& tensor : shape.tensors) {
    if (tensor.rows == shape.vocabulary) tensor.rows = kVocabulary;
  }
  shape.vocabulary = kVocabulary;
  shape.layers.resize(layers, shape.layers[0]);
  for (plan::TensorShape& tensor : shape.tensors) {
    if (tensor.name.starts_with("blk.")) tensor.count = layers;
  }
  return shape;
}

std::unique_ptr<Engine> engine_for(uint32_t layers, uint32_t context, double target) {
  return synthetic_engine(shape_of(layers),
                          {.context = context, .submit_target = target, .validation = true});
}

std::vector<Token> tokens_of(uint32_t count) {
  std::vector<Token> tokens;
  for (uint32_t i = 0; i < count; ++i) tokens.push_back(static_cast<Token>(i * 7919 % kVocabulary));
  return tokens;
}

/// The longest submissions between calls of next(), and what share of a core they had.
class Watch {
 public:
  explicit Watch(Engine& engine) : engine_(engine) { engine_.forget_longest_submission(); }
  void next() {
    if (engine_.longest_submission() > 0) longest_.push_back(engine_.longest_submission());
    engine_.forget_longest_submission();
  }
  /// How many times as long everything takes as on a core of our own.
  double alone() const { return std::max(1.0, (wall() - wall_) / (processor() - processor_)); }
  /// All but a few in a hundred, which others on the machine may have stopped, are within twice the target:
  /// of a core that this program has for itself.
  void expect_bounded(double target, size_t learning) {
    ASSERT_GT(longest_.size(), learning + 20);
    const auto first = longest_.begin() + static_cast<std::ptrdiff_t>(learning);
    const auto beyond =
        std::count_if(first, longest_.end(), [&](double one) { return one > 2 * target * alone(); });
    EXPECT_LE(static_cast<double>(beyond), 2 + 0.03 * static_cast<double>(longest_.end() - first))
        << "of a core we had one part in " << alone() << ", and the longest took "
        << *std::max_element(first, longest_.end());
    std::vector<double> sorted(first, longest_.end());
    std::ranges::sort(sorted);
    EXPECT_GT(sorted[sorted.size() / 2], target / 20) << "cut to shreds";
  }

 private:
  Engine& engine_;
  std::vector<double> longest_;
  double wall_ = wall();
  double processor_ = processor();
};

TEST(BoundedTest, ALongPrompt) {
  constexpr double kTarget = 15e-3;
  constexpr uint32_t kTokens = 1200;
  const std::vector<Token> tokens = tokens_of(kTokens);
  std::vector<float> uncut;
  {
    const auto engine = engine_for(1, 2048, 10);
    const uint32_t slot = engine->open_slot();
    engine->slot(slot).tokens = tokens;
    uncut = engine->logits_from(slot, kTokens - 1);
    engine->close_slot(slot);
  }
  const auto engine = engine_for(1, 2048, kTarget);
  const uint32_t slot = engine->open_slot();
  engine->slot(slot).tokens = tokens;
  EXPECT_EQ(engine->seconds_to_read(0, kTokens), 0) << "nothing is known yet";
  Watch watch(*engine);
  uint32_t before = 0;
  double predicted = 0;
  double start = 0;
  ASSERT_TRUE(engine->read(slot, false, [&](uint32_t done, uint32_t total) {
    watch.next();
    EXPECT_EQ(total, kTokens);
    EXPECT_GE(done, before);
    before = done;
    if (predicted == 0 && done >= 200) {
      predicted = engine->seconds_to_read(done, total - done);
      start = wall();
    }
    return true;
  }));
  watch.next();
  // As long as a core of our own would take: others on it come and go.
  const double took = (wall() - start) / watch.alone();
  EXPECT_EQ(before, kTokens);
  watch.expect_bounded(kTarget, 10);
  EXPECT_LT(std::abs(std::log2(predicted / took)), 1.5)
      << predicted << " s predicted, " << took << " s taken";
  EXPECT_EQ(engine->logits_from(slot, kTokens - 1), uncut);
  engine->close_slot(slot);
  EXPECT_TRUE(engine->validation_messages().empty()) << engine->validation_messages()[0];
}

/// The tokens drawn in `steps` greedy steps after a prompt.
std::vector<Token> decode(Engine& engine, uint32_t steps, Watch* watch) {
  const uint32_t slot = engine.open_slot();
  engine.slot(slot).tokens = tokens_of(40);
  engine.slot(slot).reserve(40 + steps + 1);
  engine.begin_decode({&slot, 1});
  engine.slot(slot).begin({.temperature = 0}, 0, 0, {});
  EXPECT_TRUE(engine.read(slot, true, {}));
  std::vector<Token> drawn{engine.slot(slot).drawn(0)};
  for (uint32_t i = 1; i <= steps; ++i) {
    engine.wait(engine.submit_step(40 + i));
    if (watch != nullptr) watch->next();
    drawn.push_back(engine.slot(slot).drawn(i));
  }
  engine.leave_decode(slot);
  engine.close_slot(slot);
  return drawn;
}

TEST(BoundedTest, StepsThatTakeLongerThanTheTarget) {
  constexpr double kTarget = 8e-3;
  const std::vector<Token> uncut = decode(*engine_for(12, 256, 10), 30, nullptr);
  const auto engine = engine_for(12, 256, kTarget);
  Watch watch(*engine);
  EXPECT_EQ(decode(*engine, 30, &watch), uncut);
  watch.expect_bounded(kTarget, 4);
  EXPECT_LE(engine->steps_ahead(), 2U);
  EXPECT_TRUE(engine->validation_messages().empty()) << engine->validation_messages()[0];
}

TEST(BoundedTest, CancellingAmidABatchKeepsWhatWasRead) {
  const auto engine = engine_for(2, 512, 2e-3);
  const uint32_t slot = engine->open_slot();
  engine->slot(slot).tokens = tokens_of(200);
  EXPECT_FALSE(engine->read(slot, false, [](uint32_t done, uint32_t) { return done < 100; }));
  const uint32_t computed = engine->slot(slot).computed;
  EXPECT_LE(computed, 128U);
  EXPECT_GT(computed, 0U);
  const std::vector<float> after = engine->logits_from(slot, 199);
  engine->close_slot(slot);
  engine->slot(engine->open_slot()).tokens = tokens_of(200);
  EXPECT_EQ(engine->logits_from(slot, 199), after);
  engine->close_slot(slot);
}

TEST(BoundedTest, TargetsThatMakeNoSense) {
  for (const double target : {0.0, -1.0, 1e-4, 11.0, std::nan("")}) {
    EXPECT_THROW(engine_for(1, 64, target), Error) << target;
  }
}

}  // namespace
}  // namespace caldera::engine
