// A service that is asked for embeddings: each is what it is alone, whatever else goes on.
#include <numeric>

#include "engine/service_listener.hpp"
#include "recovery/lost_device.hpp"

namespace caldera::test {
namespace {

class EmbeddingTest : public LostDevice {
 protected:
  static CompletionRequest embedding_of(std::vector<Token> tokens, Pooling pooling) {
    CompletionRequest request;
    request.prompt = std::move(tokens);
    request.pooling = pooling;
    return request;
  }
  static std::shared_ptr<Heard> ask(Service& service, const CompletionRequest& request) {
    auto heard = std::make_shared<Heard>();
    EXPECT_NE(service.submit(request, heard).id, 0U);
    return heard;
  }
  static std::vector<float> embedding(Heard& heard) {
    EXPECT_TRUE(heard.wait_for_end());
    EXPECT_EQ(heard.end().reason, StopReason::kEnd) << heard.end().error;
    EXPECT_TRUE(heard.tokens().empty());
    EXPECT_EQ(heard.end().completion_tokens, 0U);
    EXPECT_EQ(heard.end().embedding.size(), kModel.width);
    return heard.end().embedding;
  }
  /// Batches of other sizes round in other ways.
  static void expect_same(const std::vector<float>& one, const std::vector<float>& other) {
    ASSERT_EQ(one.size(), other.size());
    EXPECT_GT(std::inner_product(one.begin(), one.end(), other.begin(), 0.0), 0.9999);
  }
};

TEST_F(EmbeddingTest, BesideAnswers) {
  const auto model = loaded();
  EXPECT_EQ(model->info().width, kModel.width);
  EXPECT_EQ(model->info().pooling, Pooling::kMean);
  const CompletionRequest asked = request_of(prompt(70, 3), greedy(40));
  std::vector<CompletionRequest> requests;
  for (uint32_t i = 0; i < 9; ++i) {
    requests.push_back(embedding_of(prompt(1 + i * 31, static_cast<Token>(i)),
                                    std::array{Pooling::kMean, Pooling::kFirst, Pooling::kLast}[i % 3]));
  }
  std::vector<std::vector<float>> alone;
  std::vector<Token> whole;
  {
    const auto service = make_service(model);
    for (const CompletionRequest& request : requests) alone.push_back(embedding(*ask(*service, request)));
    EXPECT_EQ(service->status().cached_tokens, 0U) << "nothing is kept";
    const auto heard = ask(*service, asked);
    ASSERT_TRUE(heard->wait_for_end());
    whole = heard->tokens();
  }
  const auto service = make_service(model);
  const auto answer = ask(*service, asked);
  std::vector<std::shared_ptr<Heard>> heard;
  for (const CompletionRequest& request : requests) heard.push_back(ask(*service, request));
  const auto same = ask(*service, asked);
  for (size_t i = 0; i < heard.size(); ++i) {
    SCOPED_TRACE(i);
    expect_same(embedding(*heard[i]), alone[i]);
    EXPECT_EQ(heard[i]->end().prompt_tokens, requests[i].prompt.size());
    EXPECT_EQ(heard[i]->end().cached_tokens, 0U);
  }
  for (const auto& each : {answer, same}) {
    ASSERT_TRUE(each->wait_for_end());
    EXPECT_EQ(each->tokens(), whole);
  }
  // What an answer has left behind is no use to a mean.
  const CompletionRequest again = embedding_of(asked.prompt, Pooling::kMean);
  const auto after = ask(*service, again);
  const auto once_more = ask(*service, again);
  expect_same(embedding(*after), embedding(*once_more));
  EXPECT_EQ(after->end().cached_tokens, 0U);
  expect_valid(*model);
}

TEST_F(EmbeddingTest, FillsTheContextAndCanBeCancelled) {
  const auto model = loaded();
  const auto service = make_service(model);
  embedding(*ask(*service, embedding_of(prompt(256), Pooling::kLast)));
  try {
    service->submit(embedding_of(prompt(257), Pooling::kLast), std::make_shared<Heard>());
    ADD_FAILURE();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kContext) << error.what();
  }
  std::vector<std::shared_ptr<Heard>> heard;
  for (int i = 0; i < 8; ++i) {
    heard.push_back(std::make_shared<Heard>());
    service->cancel(service->submit(embedding_of(prompt(250), Pooling::kMean), heard.back()).id);
  }
  for (const auto& each : heard) {
    ASSERT_TRUE(each->wait_for_end());
    EXPECT_EQ(each->ends(), 1U);
    EXPECT_EQ(each->end().embedding.empty(), each->end().reason == StopReason::kCancelled);
  }
  service->drain(std::chrono::seconds(60));
  EXPECT_TRUE(service->status().requests.empty());
}

TEST_F(EmbeddingTest, IsTheSameThroughALostDevice) {
  const auto model = loaded();
  const auto service = make_service(model);
  const CompletionRequest asked = embedding_of(prompt(200), Pooling::kMean);
  const std::vector<float> whole = embedding(*ask(*service, asked));
  simulated_->lose_device(LossPoint::kSubmission, 5);
  expect_same(embedding(*ask(*service, asked)), whole);
  EXPECT_EQ(losses(), 1U);
  EXPECT_EQ(service->status().failed, 0U);
}

}  // namespace
}  // namespace caldera::test
