// Embeddings against pooled hidden states that were computed in double precision.
// tests/data/model/README.md says how, and how that was checked.
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>

#include "engine/models.hpp"
#include "engine/service_listener.hpp"

namespace caldera::test {
namespace {

nlohmann::json golden_of(const std::string& file) {
  for (const nlohmann::json& each : nlohmann::json::parse(std::ifstream(data("embeddings.json")))) {
    if (each["model"] == file) return each;
  }
  ADD_FAILURE() << "there is no golden of " << file;
  return {};
}

/// Demands of the angle between what the model makes of the golden's tokens and what the golden says a cosine
/// of `least`; that of two unlike texts is 0.9 and below.
void expect_close(const std::shared_ptr<Model>& model, const nlohmann::json& golden, Pooling pooling,
                  double least) {
  const std::map<Pooling, const char*> names{
      {Pooling::kMean, "mean"}, {Pooling::kFirst, "first"}, {Pooling::kLast, "last"}};
  SCOPED_TRACE(names.at(pooling));
  CompletionRequest request;
  request.prompt = golden["ids"].get<std::vector<Token>>();
  request.pooling = pooling;
  const auto heard = std::make_shared<Heard>();
  const auto service = make_service(model);
  service->submit(request, heard);
  ASSERT_TRUE(heard->wait_for_end());
  ASSERT_EQ(heard->end().reason, StopReason::kEnd) << heard->end().error;
  const std::vector<double> reference = golden[names.at(pooling)];
  const std::vector<float>& ours = heard->end().embedding;
  ASSERT_EQ(ours.size(), reference.size());
  double cosine = 0;
  for (size_t i = 0; i < ours.size(); ++i) cosine += ours[i] * reference[i];
  EXPECT_GT(cosine, least);
  expect_valid(*model);
}

constexpr const char* kSmolLm2 = "SmolLM2-135M-Instruct.Q4_1.gguf";

TEST(EmbeddingGolden, IsThatOfTheReference) {
  const nlohmann::json golden = golden_of(kSmolLm2);
  for (const Pooling pooling : {Pooling::kMean, Pooling::kFirst, Pooling::kLast}) {
    expect_close(shared_smollm2(), golden, pooling, 0.999);
  }
}

TEST(EmbeddingGolden, IsNearWithInt8Vectors) {
  const auto model = load(smollm2(), {.context = 64, .prefill_rows = 32, .arithmetic = Arithmetic::kInt8});
  expect_close(model, golden_of(kSmolLm2), Pooling::kMean, 0.998);
}

TEST(EmbeddingGolden, OfASecondArchitecture) {
  const auto model = load(data("tiny_qwen3.gguf"), {.prefill_rows = 32, .arithmetic = Arithmetic::kF32});
  const nlohmann::json golden = golden_of("tiny_qwen3.gguf");
  for (const Pooling pooling : {Pooling::kMean, Pooling::kFirst, Pooling::kLast}) {
    expect_close(model, golden, pooling, 0.99999);
  }
}

}  // namespace
}  // namespace caldera::test
