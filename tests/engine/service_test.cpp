// A service on a small model: each answer is what it is alone, whatever else goes on.
#include "caldera/service.hpp"

#include <algorithm>
#include <thread>

#include "engine/service_listener.hpp"
#include "recovery/lost_device.hpp"

namespace caldera::test {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr uint32_t kPage = 64;

class ServiceTest : public LostDevice {
 protected:
  std::shared_ptr<Model> loaded(uint32_t sequences) {
    LoadOptions load = options();
    load.sequences = sequences;
    return test::load(file_, load);
  }
  static Generation alone(const std::shared_ptr<Model>& model, const CompletionRequest& request) {
    Session session(model);
    session.append(request.prompt);
    GenerateOptions options;
    options.sampling = request.sampling;
    options.max_tokens = request.max_tokens;
    options.stop = request.stop;
    options.ignore_end = request.ignore_end;
    return session.generate(options);
  }
  static std::shared_ptr<Heard> ask(Service& service, const CompletionRequest& request) {
    auto heard = std::make_shared<Heard>();
    EXPECT_NE(service.submit(request, heard).id, 0U);
    return heard;
  }
  static void expect_same(Heard& heard, const Generation& whole) {
    ASSERT_TRUE(heard.wait_for_end());
    EXPECT_EQ(heard.tokens(), whole.tokens);
    EXPECT_EQ(heard.text(), whole.text);
    EXPECT_EQ(heard.end().reason, whole.reason) << heard.end().error;
    EXPECT_EQ(heard.end().completion_tokens, whole.tokens.size());
    EXPECT_THAT(heard.end().error, IsEmpty());
  }
  /// Requests of many lengths, some of which begin alike.
  static std::vector<CompletionRequest> mixed(uint32_t count) {
    std::vector<CompletionRequest> requests;
    for (uint32_t i = 0; i < count; ++i) {
      std::vector<Token> tokens = prompt(3 + i * 37 % 150, i % 3 == 0 ? 10 : static_cast<Token>(i));
      CompletionRequest request = request_of(std::move(tokens), varied(4 + i * 7 % 30));
      if (i % 5 == 4) request.sampling.repeat_penalty = 1.2F;
      request.client = std::to_string(i % 3);
      requests.push_back(std::move(request));
    }
    return requests;
  }
};

TEST_F(ServiceTest, AnswersManyAsEachAlone) {
  const std::vector<CompletionRequest> requests = mixed(20);
  std::vector<Generation> whole;
  {
    const auto model = loaded(1);
    for (const CompletionRequest& request : requests) whole.push_back(alone(model, request));
  }
  const auto model = loaded(4);
  const auto service = make_service(model);
  std::vector<std::shared_ptr<Heard>> heard;
  for (const CompletionRequest& request : requests) heard.push_back(ask(*service, request));
  for (size_t i = 0; i < requests.size(); ++i) {
    SCOPED_TRACE(i);
    expect_same(*heard[i], whole[i]);
    EXPECT_EQ(heard[i]->ends(), 1U);
    EXPECT_EQ(heard[i]->end().prompt_tokens, requests[i].prompt.size());
  }
  const ServiceStatus status = service->status();
  EXPECT_EQ(status.slots, 4U);
  EXPECT_EQ(status.finished, requests.size());
  EXPECT_EQ(status.failed + status.cancelled + status.refused, 0U);
  EXPECT_GT(status.tokens_per_second, 0);
  expect_valid(*model);
}

}  // namespace
}  // namespace caldera::test
