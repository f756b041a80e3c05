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

TEST_P(Architectures, GiveTheReferenceLogits) {
  const std::string name = GetParam();
  const nlohmann::json golden = nlohmann::json::parse(std::ifstream(data(name + ".json")));
  const auto model = load(data(name + ".gguf"));
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

INSTANTIATE_TEST_SUITE_P(Tiny, Architectures,
                         testing::Values("tiny_llama3", "tiny_mistral", "tiny_qwen2", "tiny_qwen3",
                                         "tiny_llama_linear", "tiny_llama_yarn", "tiny_qwen2_yarn"),
                         [](const auto& test) { return std::string(test.param); });

}  // namespace
}  // namespace caldera::test
