#include "plan/footprint.hpp"

#include <gtest/gtest.h>

#include "plan/families.hpp"
#include "plan/weight_format.hpp"

namespace caldera::plan {
namespace {

TEST(Footprint, CountsKeysAndValues) {
  const ModelShape shape = shape_named("llama-3.1-405b:iq1_s");
  EXPECT_EQ(kv_bytes_per_token(shape, KvFormat::kF16), 516096);
  EXPECT_EQ(kv_bytes_per_token(shape, KvFormat::kQ8_0), 274176);
  EXPECT_EQ(kv_bytes_per_token(shape, KvFormat::kQ4_0), 145152);
  EXPECT_EQ(kv_bytes_per_token(shape, {KvFormat::kQ8_0, KvFormat::kQ4_0}), (274176 + 145152) / 2);
  EXPECT_EQ(page_bytes(shape), uint64_t{64} * 516096);
}

TEST(Footprint, CountsWholePagesOfEverySequence) {
  const ModelShape shape = shape_named("llama-3.1-8b:q8_0");
  const Footprint one = footprint(shape, {.context = 65}, DeviceType::kIntegrated);
  EXPECT_EQ(one.kv, 2 * page_bytes(shape));
  const Footprint three = footprint(shape, {.context = 65, .sequences = 3}, DeviceType::kIntegrated);
  EXPECT_EQ(three.kv, 3 * one.kv);
  const Footprint trained = footprint(shape, {}, DeviceType::kIntegrated);
  EXPECT_EQ(trained.kv, 131072 / 64 * page_bytes(shape));
}

TEST(Footprint, CountsTheResidentLayout) {
  const TensorShape q4_k{"blk.N.ffn_down.weight", Part::kFeedForward, 4096, 14336, 2, weight_format("Q4_K")};
  EXPECT_EQ(resident_bytes(q4_k), uint64_t{2} * 4096 * 14336 / 256 * 144);
  const TensorShape iq1_s{"blk.N.ffn_down.weight", Part::kFeedForward, 4096, 14336, 2,
                          weight_format("IQ1_S")};
  EXPECT_EQ(resident_bytes(iq1_s), uint64_t{2} * 4096 * 14336 / 256 * 50);
  const TensorShape vector{"output_norm.weight", Part::kVectors, 1, 100, 1, weight_format("BF16")};
  EXPECT_EQ(resident_bytes(vector), 512);  // as floats, in whole pieces of 256 bytes
}

TEST(Footprint, ReadsSmallFilesThroughSmallRings) {
  const ModelShape small = shape_named("smollm2-135m:q8_0");
  EXPECT_EQ(footprint(small, {}, DeviceType::kIntegrated).ring, file_bytes(small));
  const ModelShape large = shape_named("llama-3.1-8b:q8_0");
  EXPECT_EQ(footprint(large, {}, DeviceType::kIntegrated).ring, uint64_t{256} << 20);
  EXPECT_EQ(footprint(large, {.ring_bytes = 1 << 20}, DeviceType::kIntegrated).ring, 1 << 20);
}

TEST(Limits, AreSmallerOnSoftwareDevicesAndShortContexts) {
  EXPECT_EQ(read_tokens(DeviceType::kDiscrete, false, 4096, 0), 512);
  EXPECT_EQ(read_tokens(DeviceType::kCpu, false, 4096, 0), 128);
  EXPECT_EQ(read_tokens(DeviceType::kDiscrete, true, 100, 0), 128);
  EXPECT_EQ(read_tokens(DeviceType::kDiscrete, true, 4096, 700), 700);
  EXPECT_EQ(read_tokens(DeviceType::kDiscrete, true, 4096, 0), 2048);
  EXPECT_EQ(read_tokens(DeviceType::kIntegrated, true, 4096, 0), 512);
  EXPECT_EQ(read_tokens(DeviceType::kCpu, true, 4096, 0), 128);
  EXPECT_EQ(batch_limits(700, 4096, 1).tokens, 1024);
  EXPECT_EQ(batch_limits(1, 4096, 1).tokens, 8);
  EXPECT_EQ(batch_limits(1, 4096, 64).tokens, 64);
  EXPECT_EQ(batch_limits(128, 4096, 1).outputs, 32);
  EXPECT_EQ(batch_limits(128, 4096, 64).outputs, 64);
}

}  // namespace
}  // namespace caldera::plan
