#include "plan/families.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "caldera/error.hpp"

namespace caldera::plan {
namespace {

using ::testing::HasSubstr;

// Parameters as the safetensors of each model hold them (those of tied matrices once).
TEST(Families, HaveAsManyParametersAsPublished) {
  const struct {
    const char* family;
    double parameters;
  } rows[] = {
      {"llama-3-8b", 8.030e9},       {"llama-3-70b", 70.554e9},     {"llama-3.1-8b", 8.030e9},
      {"llama-3.1-70b", 70.554e9},   {"llama-3.1-405b", 405.853e9}, {"llama-3.2-1b", 1.2358e9},
      {"llama-3.2-3b", 3.2127e9},    {"llama-3.3-70b", 70.554e9},   {"qwen3-0.6b", 0.59605e9},
      {"qwen3-1.7b", 1.72057e9},     {"qwen3-4b", 4.0225e9},        {"qwen3-8b", 8.1907e9},
      {"qwen3-14b", 14.768e9},       {"qwen3-32b", 32.762e9},       {"qwen3-30b-a3b", 30.532e9},
      {"qwen3-235b-a22b", 235.09e9}, {"smollm2-135m", 134.515e6},   {"smollm2-360m", 361.82e6},
      {"smollm2-1.7b", 1.7114e9},
  };
  EXPECT_EQ(std::size(rows), families().size());
  for (const auto& row : rows) {
    const ModelShape shape = shape_named(std::string(row.family) + ":q8_0");
    EXPECT_NEAR(static_cast<double>(parameters(shape)), row.parameters, 2e-4 * row.parameters) << row.family;
  }
}

TEST(Families, HaveTheDimensionsOfTheHeadlineJob) {
  const ModelShape shape = shape_named("llama-3.1-405B:IQ1_S");
  EXPECT_EQ(shape.name, "llama-3.1-405b:iq1_s");
  EXPECT_EQ(shape.architecture, "llama");
  EXPECT_EQ(shape.layers.size(), 126);
  EXPECT_EQ(shape.width, 16384);
  EXPECT_EQ(shape.vocabulary, 128256);
  EXPECT_EQ(shape.layers[0].ffn, 53248);
  EXPECT_EQ(shape.layers[0].heads, 128);
  EXPECT_EQ(shape.layers[0].kv_heads, 8);
}

TEST(Families, SayWhatThereIs) {
  const auto refusal = [](const char* name) -> std::string {
    try {
      shape_named(name);
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::kUsage);
      return error.what();
    }
    return "accepted";
  };
  EXPECT_THAT(refusal("llama-4:q8_0"), HasSubstr("there is no model 'llama-4': there are llama-3-8b, "));
  EXPECT_THAT(refusal("qwen3-8b"), HasSubstr("qwen3-8b:q4_k_m"));
  EXPECT_THAT(refusal("qwen3-8b:q9"), HasSubstr("there is no format 'q9': there are f32, "));
  EXPECT_THAT(refusal(""), HasSubstr("there is no model ''"));
  EXPECT_THAT(refusal(":"), HasSubstr("there is no model ''"));
  EXPECT_THAT(refusal("qwen3-8b:"), HasSubstr("there is no format ''"));
}

TEST(Families, AreToldFromFiles) {
  EXPECT_TRUE(names_shape("qwen3-8b:q4_k_m"));
  EXPECT_TRUE(names_shape("qwen3-8b"));
  EXPECT_TRUE(names_shape("qwen4-8b:q4_k_m"));
  EXPECT_FALSE(names_shape("model.gguf"));
  EXPECT_FALSE(names_shape("a:b.gguf"));
  EXPECT_FALSE(names_shape("./qwen3-8b:q4_k_m"));
  EXPECT_FALSE(names_shape("model"));
}

}  // namespace
}  // namespace caldera::plan
