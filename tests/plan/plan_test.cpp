#include "plan/plan.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "plan/families.hpp"
#include "plan/mixtures.hpp"
#include "plan/topology_table.hpp"

namespace caldera::plan {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

constexpr uint64_t kGiB = uint64_t{1} << 30;

Options with(uint32_t context, KvFormats kv = {}, uint32_t sequences = 1) {
  Options options;
  options.use.context = context;
  options.use.kv = kv;
  options.use.sequences = sequences;
  return options;
}

/// Every byte of a plan lies in exactly one heap, and none beyond what may be filled.
void expect_consistent(const Plan& plan) {
  HeapPlan sum;
  for (const HeapPlan& heap : plan.heaps) {
    EXPECT_LE(heap.used(), heap.bytes);
    sum.bytes += heap.bytes;
    sum.weights += heap.weights;
    sum.kv += heap.kv;
    sum.activations += heap.activations;
  }
  EXPECT_EQ(sum.bytes, plan.near + plan.far);
  EXPECT_EQ(plan.fits, plan.missing == 0);
  if (!plan.fits) return;
  EXPECT_EQ(sum.weights, plan.need.weights.total());
  EXPECT_EQ(sum.kv, plan.need.kv);
  EXPECT_EQ(sum.activations, plan.need.activations);
  EXPECT_EQ(sum.bytes - sum.used(), plan.left);
}

TEST(Plan, RunsTheHeadlineJob) {
  const ModelShape shape = shape_named("llama-3.1-405b:iq1_s");
  const Topology z13 = find_topology("flow-z13-linux-gtt96");
  const Plan plan = make_plan(shape, z13, with(32768, KvFormat::kQ8_0));
  expect_consistent(plan);
  ASSERT_TRUE(plan.fits);
  EXPECT_NEAR(static_cast<double>(plan.need.weights.total()) / 1e9, 79.8, 0.1);
  EXPECT_EQ(plan.need.kv, uint64_t{32768} * 274176);
  ASSERT_TRUE(plan.speed);
  EXPECT_EQ(plan.speed->bandwidth, 215);
  EXPECT_NEAR(plan.speed->empty, 2.7, 0.05);
  EXPECT_NEAR(plan.speed->full, 2.4, 0.05);
  EXPECT_NEAR(static_cast<double>(first_local_heap(z13)) / kGiB, 66.67, 0.01);
  // It is filled beyond the first heap, which is the point.
  EXPECT_GT(plan.heaps[0].used(), plan.heaps[0].bytes - kGiB);
  EXPECT_GT(plan.heaps[1].used(), 10 * kGiB);
}

TEST(Plan, SaysThatFourBitsOfItDoNotFit) {
  const ModelShape shape = shape_named("llama-3.1-405b:q4_k_m");
  const Topology z13 = find_topology("flow-z13-linux-gtt96");
  const Options options = with(32768, KvFormat::kQ8_0);
  const Plan plan = make_plan(shape, z13, options);
  expect_consistent(plan);
  EXPECT_FALSE(plan.fits);
  EXPECT_FALSE(plan.speed);
  EXPECT_NEAR(static_cast<double>(file_bytes(shape)) / 1e9, 243, 4);
  EXPECT_GT(plan.missing, 130 * kGiB);
  EXPECT_THAT(remedies(shape, z13, options), Contains(HasSubstr("iq1_s")));
  EXPECT_THAT(why_not(shape, z13, options), HasSubstr("iq1_s"));
  EXPECT_THAT(why_not(shape, z13, options), Not(HasSubstr("\n")));
  EXPECT_EQ(longest_context(shape, z13, options, KvFormat::kQ8_0), 0);
}

TEST(Plan, FindsTheLongestContext) {
  const ModelShape shape = shape_named("llama-3.1-405b:iq1_s");
  const Topology z13 = find_topology("flow-z13-linux-gtt96");
  for (const KvFormat kv : {KvFormat::kF16, KvFormat::kQ8_0}) {
    const uint32_t longest = longest_context(shape, z13, with(0), kv);
    EXPECT_GT(longest, 32768);
    EXPECT_LT(longest, shape.context);
    EXPECT_TRUE(make_plan(shape, z13, with(longest, kv)).fits);
    EXPECT_FALSE(make_plan(shape, z13, with(longest + kPageTokens, kv)).fits);
  }
  const ModelShape small = shape_named("llama-3.1-8b:q8_0");
  EXPECT_EQ(longest_context(small, z13, with(0), KvFormat::kF16), 131072);
  EXPECT_EQ(longest_context(small, z13, with(200000), KvFormat::kF16), 200000);
}

TEST(Plan, NamesTheFormatOfKvMemoryThatFits) {
  const ModelShape shape = shape_named("llama-3.1-405b:iq1_s");
  const Topology z13 = find_topology("flow-z13-linux-gtt96");
  EXPECT_THAT(remedies(shape, z13, with(65536)), Contains(HasSubstr("--kv q8_0")));
  EXPECT_THAT(remedies(shape, z13, with(131072)), Contains(HasSubstr("--kv q4_0")));
  EXPECT_THAT(remedies(shape, z13, with(131072, KvFormat::kQ8_0)), Contains(HasSubstr("--kv q4_0")));
  EXPECT_THAT(remedies(shape, z13, with(131072, KvFormat::kQ4_0)), Not(Contains(HasSubstr("--kv"))));

  // Heads of 80 are no whole blocks.
  ModelShape odd = shape;
  for (LayerShape& layer : odd.layers) layer.head = 80;
  EXPECT_EQ(head_against(odd, KvFormat::kF16), 0);
  EXPECT_EQ(head_against(odd, {KvFormat::kF16, KvFormat::kQ4_0}), 80);
  EXPECT_THAT(remedies(odd, z13, with(262144)), Not(Contains(HasSubstr("--kv"))));
}

TEST(Plan, PutsWhatDoesNotFitACardIntoHostMemory) {
  const ModelShape shape = shape_named("llama-3.1-70b:q8_0");
  const Topology h100 = find_topology("h100-sxm-80gb");
  Options options = with(8192);
  options.bandwidth = 3000;
  const Plan whole = make_plan(shape, h100, options);
  expect_consistent(whole);
  ASSERT_TRUE(whole.fits);
  EXPECT_EQ(whole.far_weights, 0);

  options.memory_limit = 24 * kGiB;
  const Plan limited = make_plan(shape, h100, options);
  expect_consistent(limited);
  ASSERT_TRUE(limited.fits);
  EXPECT_EQ(limited.near, 24 * kGiB);
  EXPECT_EQ(limited.heaps[0].used(), 24 * kGiB);
  EXPECT_GT(limited.far_weights, 45 * kGiB);
  EXPECT_EQ(limited.heaps[0].kv, limited.need.kv);
  // The embedding table lies there too, and is hardly ever read.
  EXPECT_EQ(limited.speed->far, limited.far_weights - limited.need.weights.of(Part::kEmbedding));
  EXPECT_LT(limited.speed->empty, whole.speed->empty / 10);

  const Topology card = find_topology("rx-580-8gb");
  const Plan cramped = make_plan(shape_named("llama-3.1-8b:q8_0"), card, with(131072));
  expect_consistent(cramped);
  EXPECT_FALSE(cramped.fits) << "KV memory does not go across the bus";
}

TEST(Plan, KeepsAllOfAUnifiedDeviceUnderTheLimit) {
  const Topology z13 = find_topology("flow-z13-linux-gtt96");
  Options options = with(4096);
  options.memory_limit = 8 * kGiB;
  const Plan plan = make_plan(shape_named("llama-3.1-8b:q8_0"), z13, options);
  expect_consistent(plan);
  EXPECT_EQ(plan.near + plan.far, 8 * kGiB);
  EXPECT_FALSE(plan.fits);
  EXPECT_THAT(remedies(shape_named("llama-3.1-8b:q8_0"), z13, options),
              Contains(HasSubstr("no --memory-limit")));
}

TEST(Plan, ReadsOnlyActiveExperts) {
  const Topology z13 = find_topology("flow-z13-linux-gtt96");
  const ModelShape shape = shape_named("qwen3-30b-a3b:q4_k_m");
  const Plan one = make_plan(shape, z13, with(4096));
  ASSERT_TRUE(one.speed);
  EXPECT_NEAR(static_cast<double>(one.speed->weights) / 1e9, 1.9, 0.15);
  // Eight sequences choose up to 64 of 128 experts, some of them the same.
  const Plan eight = make_plan(shape, z13, with(4096, KvFormat::kF16, 8));
  EXPECT_GT(eight.speed->weights, 3 * one.speed->weights);
  EXPECT_LT(eight.speed->weights, 7 * one.speed->weights);
  EXPECT_EQ(eight.need.kv, 8 * one.need.kv);
}

TEST(Plan, ReadsATiedEmbeddingAsTheOutputMatrix) {
  const Topology z13 = find_topology("flow-z13-linux-gtt96");
  const Plan tied = make_plan(shape_named("llama-3.2-1b:q8_0"), z13, with(4096));
  EXPECT_EQ(tied.speed->weights, tied.need.weights.total());
  const Plan untied = make_plan(shape_named("llama-3.1-8b:q8_0"), z13, with(4096));
  EXPECT_EQ(untied.speed->weights, untied.need.weights.total() - untied.need.weights.of(Part::kEmbedding));
}

TEST(Plan, KnowsNoSpeedWithoutABandwidth) {
  const Topology card = find_topology("rx-580-8gb");
  const Plan plan = make_plan(shape_named("llama-3.2-1b:q8_0"), card, with(4096));
  EXPECT_TRUE(plan.fits);
  EXPECT_FALSE(plan.speed);
}

TEST(Plan, IsConsistentForEveryModelOnEveryMachine) {
  for (const Topology& topology : topologies()) {
    for (const Family& family : families()) {
      for (const char* format : {"q8_0", "q4_k_m", "iq1_s"}) {
        const ModelShape shape = shape_named(std::string(family.name) + ":" + format);
        SCOPED_TRACE(topology.name + " " + shape.name);
        Options options = with(8192, KvFormat::kQ8_0, 2);
        expect_consistent(make_plan(shape, topology, options));
        options.memory_limit = kGiB;
        expect_consistent(make_plan(shape, topology, options));
      }
    }
  }
}

TEST(Plan, TakesADeviceWithoutUsableHeaps) {
  Topology topology;
  topology.heaps.push_back({kGiB, true, std::nullopt});
  const Plan plan = make_plan(shape_named("smollm2-135m:q8_0"), topology, with(128));
  EXPECT_FALSE(plan.fits);
  EXPECT_EQ(plan.missing, plan.need.total());
  EXPECT_THAT(plan.heaps, IsEmpty());
}

TEST(Plan, SurvivesAModelOfNothing) {
  const Topology z13 = find_topology("flow-z13-linux-gtt96");
  const Plan plan = make_plan(ModelShape{}, z13, with(0));
  EXPECT_TRUE(plan.fits);
  EXPECT_FALSE(plan.speed);
}

}  // namespace
}  // namespace caldera::plan
