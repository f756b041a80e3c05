#include "plan/mixtures.hpp"

#include <gtest/gtest.h>

#include <map>
#include <string>

#include "plan/families.hpp"

namespace caldera::plan {
namespace {

/// Bytes of the tensors in a file.
double file_bytes(const ModelShape& shape) {
  double bytes = 0;
  for (const TensorShape& tensor : shape.tensors) {
    bytes +=
        static_cast<double>(tensor.rows * tensor.columns * tensor.count) * tensor.format.bits_per_weight / 8;
  }
  return bytes;
}

std::map<std::string, uint32_t> formats_of(const ModelShape& shape, const std::string& name) {
  std::map<std::string, uint32_t> counts;
  for (const TensorShape& tensor : shape.tensors) {
    if (tensor.name == name) counts[tensor.format.name] += tensor.count;
  }
  return counts;
}

// Sizes of published files in 10^9 bytes, metadata and tokenizer (8 MB) included.
TEST(Mixtures, AreAsLargeAsPublishedFiles) {
  const struct {
    const char* shape;
    double gigabytes;
  } rows[] = {
      {"llama-3.1-8b:f32", 32.13},    {"llama-3.1-8b:f16", 16.07},     {"llama-3.1-8b:q8_0", 8.54},
      {"llama-3.1-8b:q6_k", 6.60},    {"llama-3.1-8b:q5_k_m", 5.73},   {"llama-3.1-8b:q5_k_s", 5.60},
      {"llama-3.1-8b:q4_k_m", 4.92},  {"llama-3.1-8b:q4_k_s", 4.69},   {"llama-3.1-8b:q4_0", 4.66},
      {"llama-3.1-8b:iq4_xs", 4.45},  {"llama-3.1-8b:q3_k_l", 4.32},   {"llama-3.1-8b:q3_k_m", 4.02},
      {"llama-3.1-8b:q3_k_s", 3.66},  {"llama-3.1-8b:q2_k", 3.18},     {"llama-3.1-70b:q4_k_m", 42.52},
      {"llama-3.1-70b:q8_0", 74.98},  {"qwen3-30b-a3b:q4_k_m", 18.56}, {"qwen3-8b:q4_k_m", 5.03},
      {"llama-3.1-405b:iq1_s", 79.8}, {"smollm2-135m:q4_k_m", 0.105},
  };
  for (const auto& row : rows) {
    EXPECT_NEAR(file_bytes(shape_named(row.shape)) / 1e9, row.gigabytes, 0.006 * row.gigabytes + 0.003)
        << row.shape;
  }
}

TEST(Mixtures, NeedNoMoreThanTheOneBefore) {
  double before = 1e18;
  for (const Mixture& mixture : mixtures()) {
    const double bytes = file_bytes(mixed(shape_named("llama-3.1-70b:f32"), mixture));
    EXPECT_LE(bytes, before * 1.001) << mixture.name;
    before = bytes;
  }
}

TEST(Mixtures, KeepVectorsAndEveryWeight) {
  for (const char* name : {"qwen3-30b-a3b:q8_0", "smollm2-360m:q8_0"}) {
    const ModelShape shape = shape_named(name);
    for (const Mixture& mixture : mixtures()) {
      const ModelShape other = mixed(shape, mixture);
      EXPECT_EQ(parameters(other), parameters(shape)) << mixture.name;
      EXPECT_EQ(formats_of(other, "output_norm.weight").at("F32"), 1);
    }
  }
}

TEST(Mixtures, GiveSomeLayersMoreBits) {
  const ModelShape shape = shape_named("llama-3.1-8b:q4_k_m");
  const auto down = formats_of(shape, "blk.N.ffn_down.weight");
  EXPECT_EQ(down.at("Q6_K"), 16);
  EXPECT_EQ(down.at("Q4_K"), 16);
  EXPECT_EQ(formats_of(shape, "output.weight").at("Q6_K"), 1);
  EXPECT_EQ(formats_of(shape, "blk.N.attn_q.weight").at("Q4_K"), 32);
}

TEST(Mixtures, GiveTheEmbeddingThatIsAlsoTheOutputTheBitsOfTheOutput) {
  EXPECT_EQ(formats_of(shape_named("llama-3.2-1b:q4_k_m"), "token_embd.weight").at("Q6_K"), 1);
  EXPECT_EQ(formats_of(shape_named("llama-3.1-8b:q4_k_m"), "token_embd.weight").at("Q4_K"), 1);
}

TEST(Mixtures, FallBackWhereBlocksDoNotDivideARow) {
  const ModelShape shape = shape_named("smollm2-135m:q4_k_s");  // rows of 576
  EXPECT_TRUE(formats_of(shape, "blk.N.attn_q.weight").contains("Q5_0"));
  EXPECT_TRUE(formats_of(shape, "blk.N.ffn_down.weight").contains("Q4_K"));
  EXPECT_TRUE(formats_of(shape, "token_embd.weight").contains("Q8_0"));
}

TEST(Mixtures, LeaveTheChoiceOfExpertsUnquantized) {
  EXPECT_EQ(formats_of(shape_named("qwen3-30b-a3b:q2_k"), "blk.N.ffn_gate_inp.weight").at("F32"), 48);
}

}  // namespace
}  // namespace caldera::plan
