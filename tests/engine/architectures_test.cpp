// Every architecture and kind of rope scaling against transformers in float32, on tiny models with random
// weights.
#include <gmock/gmock.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "engine/divergence.hpp"
#include "engine/models.hpp"

namespace caldera::test {
namespace {

class Architectures : public testing::TestWithParam<const char*> {};

/// Compares the logits of a model loaded with `options`; weights of these files are not in blocks.
void expect_reference_logits(const std::string& name, const LoadOptions& options) {
  const nlohmann::json golden = nlohmann::json::parse(std::ifstream(data(name + ".json")));
  const auto model = load(data(name + ".gguf"), options);
  Session session(model);
  const std::vector<Token> ids = golden["ids"];
  const std::vector<float> logits = session.logits_of_each(ids);
  const size_t vocabulary = model->info().vocabulary;
  ASSERT_EQ(logits.size(), ids.size() * vocabulary);
  for (size_t i = 0; i < golden["positions"].size(); ++i) {
    const size_t position = golden["positions"][i];
    const std::vector<float> reference = golden["logits"][i];
    const std::span<const float> ours(logits.data() + position * vocabulary, vocabulary);
    // Keys and values are f16 here and f32 there; anything wrong in a formula is off by orders of magnitude.
    EXPECT_LT(divergence(reference, ours), 1e-4) << name << " at position " << position;
  }
  expect_valid(*model);
}

TEST_P(Architectures, GiveTheReferenceLogits) {
  expect_reference_logits(GetParam(), {.arithmetic = Arithmetic::kF32});
}

TEST_P(Architectures, GiveTheReferenceLogitsStepByStep) {
  // Tokens read one by one are computed as decode steps are: with rotation and attention in one operation.
  expect_reference_logits(GetParam(), {.prefill_rows = 1, .arithmetic = Arithmetic::kInt8});
}

INSTANTIATE_TEST_SUITE_P(Tiny, Architectures,
                         testing::Values("tiny_llama3", "tiny_mistral", "tiny_qwen2", "tiny_qwen3",
                                         "tiny_llama_linear", "tiny_llama_yarn", "tiny_qwen2_yarn"),
                         [](const auto& test) { return std::string(test.param); });

}  // namespace
}  // namespace caldera::test
