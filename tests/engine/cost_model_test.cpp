// What is learned from times: speeds of two kinds of work, in the presence of noise.
#include "engine/cost_model.hpp"

#include <gtest/gtest.h>

#include <cmath>

namespace caldera::engine {
namespace {

const WorkClass kBatch = work_class(PassKind::kRead, 512);

TEST(WorkTest, KeysThatTokensSee) {
  const OperationWork all{.per_key = 1};
  EXPECT_EQ(all.of({.columns = 1, .first = 0}).attention, 1);
  EXPECT_EQ(all.of({.columns = 4, .first = 0}).attention, 1 + 2 + 3 + 4);
  EXPECT_EQ(all.of({.columns = 3, .first = 10}).attention, 11 + 12 + 13);
  EXPECT_EQ(all.of({.columns = 3, .first = 10, .neighbours = false}).attention, 33);
  const OperationWork window{.per_key = 1, .window = 12};
  EXPECT_EQ(window.of({.columns = 3, .first = 10}).attention, 11 + 12 + 12);
  EXPECT_EQ(window.of({.columns = 3, .first = 100}).attention, 36);
  EXPECT_EQ(window.of({.columns = 2, .first = 100, .neighbours = false}).attention, 24);
  EXPECT_EQ(window.of({.columns = 2, .first = 4, .neighbours = false}).attention, 10);
}

TEST(WorkTest, MergingKeepsTheSum) {
  const std::vector<OperationWork> operations = {{.fixed = 1, .per_column = 2},
                                                 {.per_key = 3},
                                                 {.per_key = 5, .window = 7},
                                                 {.fixed = 11, .per_key = 13}};
  const std::vector<OperationWork> few = merged(operations);
  EXPECT_EQ(few.size(), 2U);
  for (const PassTokens& tokens : {PassTokens{4, 2, true}, PassTokens{3, 100, false}}) {
    EXPECT_EQ(sum_of(few, tokens).matrix, sum_of(operations, tokens).matrix);
    EXPECT_EQ(sum_of(few, tokens).attention, sum_of(operations, tokens).attention);
  }
}

TEST(CostModelTest, ClassesArePowersOfTwo) {
  EXPECT_EQ(work_class(PassKind::kRead, 1).doublings, 0U);
  EXPECT_EQ(work_class(PassKind::kRead, 2).doublings, 1U);
  EXPECT_EQ(work_class(PassKind::kRead, 257).doublings, 9U);
  EXPECT_EQ(work_class(PassKind::kRead, 512).doublings, 9U);
}

TEST(CostModelTest, GuessesUntilItKnows) {
  CostModel costs(1e9);
  EXPECT_DOUBLE_EQ(costs.seconds(kBatch, {2e9, 0}), 2);
  EXPECT_FALSE(costs.knows(PassKind::kRead));
  costs.observe(kBatch, {0, 0}, 1);
  costs.observe(kBatch, {1, 0}, 0);
  costs.observe(kBatch, {1, 0}, NAN);
  EXPECT_FALSE(costs.knows(PassKind::kRead));
  costs.observe(kBatch, {2e9, 0}, 0.01);
  EXPECT_TRUE(costs.knows(PassKind::kRead));
  EXPECT_FALSE(costs.knows(PassKind::kStep));
  EXPECT_NEAR(costs.seconds(kBatch, {4e9, 0}), 0.02, 1e-9);
}

TEST(CostModelTest, TellsAttentionFromMatrices) {
  for (const double attention : {0.1e-9, 1e-9, 30e-9}) {
    CostModel costs(1e9);
    const auto truth = [&](const Work& work) { return 1e-9 * work.matrix + attention * work.attention; };
    Work work{1e9, 1e6};
    for (; work.attention < 2e9; work.attention += 1e7) {
      costs.observe(kBatch, work, truth(work));
      const Work next{1e9, work.attention + 1e7};
      EXPECT_NEAR(costs.seconds(kBatch, next) / truth(next), 1, 0.35) << attention << " " << work.attention;
    }
    // Four times as deep as it ever was.
    const Work deep{1e9, 8e9};
    EXPECT_NEAR(costs.seconds(kBatch, deep) / truth(deep), 1, 0.25) << attention;
    // And each alone.
    EXPECT_NEAR(costs.seconds(kBatch, {1e9, 0}), 1, 0.25) << attention;
    EXPECT_NEAR(costs.seconds(kBatch, {0, 1e9}) / attention * 1e-9, 1, 0.3) << attention;
  }
}

TEST(CostModelTest, OneSlowSampleIsForgotten) {
  CostModel costs(1e9);
  const Work work{1e9, 1e8};
  for (int i = 0; i < 5; ++i) costs.observe(kBatch, work, 0.1);
  costs.observe(kBatch, work, 5);
  EXPECT_NEAR(costs.seconds(kBatch, work), 0.1, 0.01);
  // What stays is believed after the third.
  for (int i = 0; i < 2; ++i) costs.observe(kBatch, work, 0.3);
  EXPECT_GT(costs.seconds(kBatch, work), 0.25);
  for (int i = 0; i < 5; ++i) costs.observe(kBatch, work, 0.3);
  EXPECT_NEAR(costs.seconds(kBatch, work), 0.3, 0.01);
  for (int i = 0; i < 3; ++i) costs.observe(kBatch, work, 0.1);
  EXPECT_NEAR(costs.seconds(kBatch, work), 0.1, 0.01);
}

TEST(CostModelTest, TheFirstSampleMayBeTheSlowOne) {
  CostModel costs(1e9);
  const Work work{1e9, 0};
  costs.observe(kBatch, work, 10);
  EXPECT_NEAR(costs.seconds(kBatch, work), 10, 0.1);
  for (int i = 0; i < 3; ++i) costs.observe(kBatch, work, 0.1);
  EXPECT_NEAR(costs.seconds(kBatch, work), 0.1, 0.01);
}

TEST(CostModelTest, ASlowSizeThatIsAvoidedIsTriedAgain) {
  CostModel costs(1);
  const WorkClass small = work_class(PassKind::kRead, 64);
  const WorkClass large = work_class(PassKind::kRead, 128);
  const Work work{1e9, 0};
  for (int i = 0; i < 5; ++i) costs.observe(large, work, 5);
  costs.observe(small, work, 0.5);
  EXPECT_NEAR(costs.seconds(large, work), 5, 1e-6);
  for (int i = 0; i < 5; ++i) costs.observe(small, work, 0.5);
  EXPECT_NEAR(costs.seconds(large, work), 1.25 * 0.5, 1e-6);
  costs.observe(large, work, 0.4);
  EXPECT_NEAR(costs.seconds(large, work), 0.4, 1e-6) << "what was long ago is forgotten";
}

TEST(CostModelTest, OtherSizesAreTakenFromTheNearest) {
  CostModel costs(1);
  const Work work{1e9, 0};
  costs.observe(work_class(PassKind::kRead, 64), work, 1);
  EXPECT_NEAR(costs.seconds(work_class(PassKind::kRead, 256), work), 1.25, 1e-6) << "no slower, with caution";
  EXPECT_NEAR(costs.seconds(work_class(PassKind::kRead, 16), work), 2, 1e-6)
      << "between as fast and a quarter";
  costs.observe(work_class(PassKind::kRead, 256), work, 0.25);
  EXPECT_NEAR(costs.seconds(work_class(PassKind::kRead, 128), work), 0.5, 1e-6);
  EXPECT_NEAR(costs.seconds(work_class(PassKind::kStep, 64), work), 2.5, 1e-6) << "another kind";
}

}  // namespace
}  // namespace caldera::engine
