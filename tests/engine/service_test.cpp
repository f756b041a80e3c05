// A service on a small model: each answer is what it is alone, whatever else goes on.
#include "caldera/service.hpp"

#include <algorithm>
#include <cmath>
#include <mutex>
#include <stdexcept>

#include "engine/service_listener.hpp"
#include "memory/process_memory.hpp"
#include "recovery/lost_device.hpp"

namespace caldera::test {
namespace {

using std::chrono::seconds;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

constexpr uint32_t kPage = 64;

class ServiceTest : public LostDevice {
 protected:
  /// One for all tests that leave no trace in it, with room for two answers.
  static const std::shared_ptr<Model>& shared() {
    if (shared_ == nullptr) {
      // A target that no submission comes near: where the machine stalls one, the next prompts are else read
      // in smaller batches than a test counts on.
      shared_ = test::load(file_, {.context = 256, .sequences = 2, .prefill_rows = 32, .submit_target = 10});
    }
    return shared_;
  }
  static void TearDownTestSuite() {
    shared_.reset();
    LostDevice::TearDownTestSuite();
  }
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
  static std::vector<Generation> each_alone(const std::vector<CompletionRequest>& requests) {
    std::vector<Generation> whole;
    for (const CompletionRequest& request : requests) whole.push_back(alone(shared(), request));
    return whole;
  }

 private:
  static inline std::shared_ptr<Model> shared_;
};

TEST_F(ServiceTest, AnswersManyAsEachAlone) {
  // Some wait, and steps are of more than products of few vectors are made for.
  const std::vector<CompletionRequest> requests = mixed(16);
  constexpr uint32_t kSlots = 12;
  const std::vector<Generation> whole = each_alone(requests);
  const auto model = loaded(kSlots);
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
  EXPECT_EQ(status.slots, kSlots);
  EXPECT_EQ(status.finished, requests.size());
  EXPECT_EQ(status.failed + status.cancelled + status.refused, 0U);
  EXPECT_GT(status.tokens_per_second, 0);
  expect_valid(*model);
}

TEST_F(ServiceTest, JoinsAnswersInTheMiddleOfOthers) {
  const auto model = loaded(3);
  const std::vector<CompletionRequest> requests = {request_of(prompt(40), varied(40)),
                                                   request_of(prompt(9, 77), varied(12)),
                                                   request_of(prompt(100, 3), varied(20))};
  const std::vector<Generation> whole = each_alone(requests);
  const auto service = make_service(model);
  const auto first = ask(*service, requests[0]);
  ASSERT_TRUE(first->wait_for_tokens(5));
  const auto second = ask(*service, requests[1]);
  ASSERT_TRUE(second->wait_for_tokens(4));
  const auto third = ask(*service, requests[2]);
  expect_same(*first, whole[0]);
  expect_same(*second, whole[1]);
  expect_same(*third, whole[2]);
  expect_valid(*model);
}

TEST_F(ServiceTest, CancelsWithinAStep) {
  const auto& model = shared();
  const CompletionRequest asked = request_of(prompt(20), varied(60));
  const Generation whole = alone(model, asked);
  const auto service = make_service(model);
  auto leaves = std::make_shared<Heard>();
  uint64_t id = 0;
  std::mutex known;
  known.lock();
  leaves->on_tokens = [&](size_t tokens) {
    if (tokens != 6) return;
    const std::scoped_lock lock(known);
    service->cancel(id);
  };
  id = service->submit(request_of(prompt(30, 5), varied(100)), leaves).id;
  known.unlock();
  const auto stays = ask(*service, asked);
  ASSERT_TRUE(leaves->wait_for_end());
  EXPECT_EQ(leaves->end().reason, StopReason::kCancelled);
  EXPECT_EQ(leaves->tokens().size(), 6U);
  expect_same(*stays, whole);

  // One that waits, and one that throws.
  auto first = std::make_shared<Heard>();
  first->on_tokens = [](size_t tokens) {
    if (tokens == 30) throw std::runtime_error("no more");
  };
  service->submit(request_of(prompt(30, 5), varied(200)), first);
  const auto other = ask(*service, request_of(prompt(31, 5), varied(40)));
  auto waits = std::make_shared<Heard>();
  const uint64_t waiting = service->submit(asked, waits).id;
  service->cancel(waiting);
  ASSERT_TRUE(waits->wait_for_end());
  EXPECT_EQ(waits->end().reason, StopReason::kCancelled);
  EXPECT_THAT(waits->tokens(), IsEmpty());
  ASSERT_TRUE(first->wait_for_end());
  EXPECT_EQ(first->end().reason, StopReason::kCancelled);
  ASSERT_TRUE(other->wait_for_end());
  EXPECT_EQ(service->status().cancelled, 3U);
  EXPECT_THAT(service->status().requests, IsEmpty());
}

TEST_F(ServiceTest, ServesClientsInTurnAndRefusesWhatIsTooMuch) {
  const auto model = loaded(1);
  const auto service = make_service(model, {.queue = 6, .client_queue = 3});
  std::mutex gate;
  gate.lock();
  auto first = std::make_shared<Heard>();
  first->on_tokens = [&](size_t tokens) {
    if (tokens == 1) const std::scoped_lock wait(gate);
  };
  service->submit(request_of(prompt(4), varied(2)), first);
  ASSERT_TRUE(first->wait_for_tokens(1));
  std::vector<std::string> order;
  std::vector<std::shared_ptr<Heard>> heard;
  const auto submit = [&](const std::string& client) {
    auto listener = std::make_shared<Heard>();
    listener->on_tokens = [&order, client](size_t tokens) {
      if (tokens == 1) order.push_back(client);
    };
    CompletionRequest request = request_of(prompt(4), varied(2));
    request.client = client;
    const Admission admission = service->submit(request, listener);
    if (admission.id != 0) heard.push_back(listener);
    EXPECT_EQ(admission.id == 0, admission.retry_after > seconds(0));
    return admission.id != 0;
  };
  for (const char* client : {"a", "a", "a", "b", "b"}) EXPECT_TRUE(submit(client));
  EXPECT_FALSE(submit("a")) << "three of its own wait";
  EXPECT_TRUE(submit("c"));
  EXPECT_FALSE(submit("d")) << "six wait";
  const ServiceStatus status = service->status();
  EXPECT_EQ(status.refused, 2U);
  ASSERT_THAT(status.requests, SizeIs(7));
  EXPECT_EQ(status.requests[0].stage, RequestStatus::Stage::kAnswering);
  EXPECT_EQ(status.requests[1].stage, RequestStatus::Stage::kWaiting);
  gate.unlock();
  for (const auto& listener : heard) ASSERT_TRUE(listener->wait_for_end());
  EXPECT_THAT(order, ElementsAre("a", "b", "c", "a", "b", "a"));
}

TEST_F(ServiceTest, ReadsPromptsBesideAnswers) {
  const auto& model = shared();
  // So short a stall that a prompt is read in the smallest pieces.
  const auto service = make_service(model, {.longest_stall = 1e-6});
  auto answers = std::make_shared<Heard>();
  auto reads = std::make_shared<Heard>();
  size_t drawn = 0;  // by the thread that calls both
  size_t at_first = 0;
  answers->on_tokens = [&](size_t tokens) {
    drawn = tokens;
    if (tokens == 10) service->submit(request_of(prompt(200, 99), varied(2)), reads);
  };
  reads->on_tokens = [&](size_t tokens) {
    if (tokens == 1) at_first = drawn;
  };
  service->submit(request_of(prompt(40), varied(120)), answers);
  ASSERT_TRUE(answers->wait_for_end());
  ASSERT_TRUE(reads->wait_for_end());
  EXPECT_GE(at_first, 10U + 200 / 8 - 2) << "a step for each piece of the prompt";
  EXPECT_LE(at_first, 10U + 200 / 8 + 5);
}

TEST_F(ServiceTest, KeepsWhatRequestsBeginWith) {
  const auto& model = shared();
  std::vector<Token> tokens = prompt(200);
  const CompletionRequest first = request_of(tokens, varied(30));
  tokens.back() = 3;
  const CompletionRequest second = request_of(tokens, varied(6));
  const Generation whole = alone(model, second);
  const auto service = make_service(model);
  const auto one = ask(*service, first);
  ASSERT_TRUE(one->wait_for_end());
  EXPECT_EQ(one->end().cached_tokens, 0U);
  const auto other = ask(*service, second);
  expect_same(*other, whole);
  EXPECT_EQ(other->end().cached_tokens, 3 * kPage);
  EXPECT_EQ(service->status().cached_prompt_tokens, 3 * kPage);
  EXPECT_EQ(service->status().prompt_tokens, 2 * 200 - 3 * kPage);
  // The next turn of a conversation: the answer is known too, but for what is no whole page.
  std::vector<Token> turn = first.prompt;
  turn.insert(turn.end(), one->tokens().begin(), one->tokens().end());
  for (Token token = 20; token < 35; ++token) turn.push_back(token);
  const auto next = ask(*service, request_of(turn, varied(2)));
  ASSERT_TRUE(next->wait_for_end());
  EXPECT_EQ(next->end().cached_tokens, 3 * kPage);
  // All of it, but the last token is read.
  const auto again = ask(*service, request_of({turn.begin(), turn.begin() + 3 * kPage}, varied(2)));
  ASSERT_TRUE(again->wait_for_end());
  EXPECT_EQ(again->end().cached_tokens, 2 * kPage);
  expect_valid(*model);
}

TEST_F(ServiceTest, KeepsNoMoreThanItIsTold) {
  const auto& model = shared();
  for (const uint64_t most : {0U, 2U, 100U}) {
    const auto service = make_service(model, {.cached_tokens = most * kPage});
    for (const Token first : {10, 50, 90}) {
      const auto heard = ask(*service, request_of(prompt(150, first), varied(2)));
      ASSERT_TRUE(heard->wait_for_end());
    }
    service->drain(seconds(60));
    EXPECT_EQ(service->status().cached_tokens, std::min<uint64_t>(most, 6) * kPage);
  }
}

TEST_F(ServiceTest, GoesOnThroughALoss) {
  const std::vector<CompletionRequest> requests = mixed(4);
  const std::vector<Generation> whole = each_alone(requests);
  const auto model = loaded(3);
  const auto service = make_service(model);
  std::vector<std::shared_ptr<Heard>> heard;
  simulated_->lose_device(LossPoint::kSubmission, 9);
  for (const CompletionRequest& request : requests) heard.push_back(ask(*service, request));
  ASSERT_TRUE(heard[3]->wait_for_tokens(2));
  simulated_->lose_device(LossPoint::kWait, 4);
  for (size_t i = 0; i < requests.size(); ++i) {
    SCOPED_TRACE(i);
    expect_same(*heard[i], whole[i]);
  }
  EXPECT_GE(losses(), 1U);
  expect_valid(*model);
}

TEST_F(ServiceTest, EndsWhatALossForGoodLeaves) {
  const auto model = loaded(2);
  const auto service = make_service(model);
  const auto answering = ask(*service, request_of(prompt(10), varied(100)));
  ASSERT_TRUE(answering->wait_for_tokens(3));
  simulated_->lose_device(LossPoint::kSubmission, 1, 100000);
  ASSERT_TRUE(answering->wait_for_end());
  EXPECT_EQ(answering->end().reason, StopReason::kDeviceLost);
  EXPECT_THAT(answering->end().error, HasSubstr("times in a row"));
  simulated_->reset();
  const auto next = ask(*service, request_of(prompt(10), varied(4)));
  ASSERT_TRUE(next->wait_for_end());
  EXPECT_EQ(next->end().reason, StopReason::kMaxTokens) << next->end().error;
  EXPECT_EQ(service->status().failed, 1U);
}

TEST_F(ServiceTest, EndsOneWhereMemoryIsRefused) {
  const auto model =
      test::load(write_synthetic(kLargePages, folder_->path() / "service_pages.gguf"), options());
  const auto service = make_service(model);
  auto grows = std::make_shared<Heard>();
  grows->on_tokens = [](size_t tokens) {
    if (tokens == 1) simulated_->refuse_allocation(1, 100000);
  };
  const auto stays = ask(*service, request_of(prompt(8, 5), varied(30)));
  ASSERT_TRUE(stays->wait_for_tokens(1));
  service->submit(request_of(prompt(60), varied(30)), grows);
  ASSERT_TRUE(grows->wait_for_end());
  EXPECT_EQ(grows->end().reason, StopReason::kOutOfMemory);
  EXPECT_THAT(grows->end().error, HasSubstr("memory"));
  EXPECT_THAT(grows->tokens(), Not(IsEmpty()));
  ASSERT_TRUE(stays->wait_for_end());
  EXPECT_EQ(stays->tokens().size(), 30U);
  simulated_->reset();
  const auto next = ask(*service, request_of(prompt(60), varied(30)));
  ASSERT_TRUE(next->wait_for_end());
  EXPECT_EQ(next->end().reason, StopReason::kMaxTokens);
}

TEST_F(ServiceTest, TellsWhatElseCouldHaveBeenDrawn) {
  const auto& model = shared();
  CompletionRequest request = request_of(prompt(20), varied(8));
  request.top_logprobs = 3;
  std::vector<float> logits;
  {
    Session session(model);
    session.append(request.prompt);
    logits = session.logits();
  }
  const auto service = make_service(model);
  const auto beside = ask(*service, request_of(prompt(9, 8), varied(20)));
  const auto heard = ask(*service, request);
  ASSERT_TRUE(heard->wait_for_end());
  ASSERT_TRUE(beside->wait_for_end());
  ASSERT_THAT(heard->choices(), SizeIs(8));
  double sum = 0;
  for (const float logit : logits) sum += std::exp(double{logit});
  for (size_t i = 0; i < 8; ++i) {
    const TokenChoice& choice = heard->choices()[i];
    EXPECT_EQ(choice.drawn.token, heard->tokens()[i]);
    ASSERT_THAT(choice.top, SizeIs(3));
    EXPECT_GE(choice.top[0].logprob, choice.top[1].logprob);
    EXPECT_GE(choice.top[0].logprob, choice.drawn.logprob);
    EXPECT_LT(choice.top[0].logprob, 0);
  }
  const TokenLogprob& first = heard->choices()[0].drawn;
  EXPECT_NEAR(first.logprob, logits[static_cast<size_t>(first.token)] - std::log(sum), 1e-3);
}

/// Allows tokens of the parity that the one before does not have, and no more than `most` of them.
class Alternating : public TokenConstraint {
 public:
  explicit Alternating(uint32_t most) : most_(most) {}
  void allow(std::span<uint32_t> bits) override {
    if (accepted_ == most_) return;
    for (Token token = next_; token < 256; token += 2)
      bits[static_cast<size_t>(token) / 32] |= 1U << token % 32;
  }
  void accept(Token token) override {
    ++accepted_;
    next_ = (token + 1) % 2;
  }

 private:
  uint32_t most_;
  uint32_t accepted_ = 0;
  Token next_ = 0;
};

TEST_F(ServiceTest, DrawsWhatAConstraintAllows) {
  const auto& model = shared();
  const CompletionRequest free = request_of(prompt(30), varied(40));
  const Generation whole = alone(model, free);
  const auto service = make_service(model);
  const auto beside = ask(*service, free);
  for (const float temperature : {0.F, 2.F}) {
    CompletionRequest bound = request_of(prompt(9, 8), varied(0));
    bound.sampling.temperature = temperature;
    bound.sampling.top_k = 0;
    bound.constraint = std::make_shared<Alternating>(12);
    const auto heard = ask(*service, bound);
    ASSERT_TRUE(heard->wait_for_end());
    EXPECT_EQ(heard->end().reason, StopReason::kEnd) << heard->end().error;
    ASSERT_THAT(heard->tokens(), SizeIs(12));
    for (size_t i = 0; i < 12; ++i) {
      EXPECT_EQ(heard->tokens()[i] % 2, static_cast<Token>(i % 2));
      EXPECT_LT(heard->tokens()[i], 256);
    }
  }
  expect_same(*beside, whole);
  const auto after = ask(*service, free);
  expect_same(*after, whole);
  expect_valid(*model);
}

TEST_F(ServiceTest, DrainsAndRefusesImpossibleRequests) {
  const auto& model = shared();
  const auto service = make_service(model);
  const auto refused = [&](CompletionRequest request, ErrorKind kind) {
    try {
      service->submit(std::move(request), std::make_shared<Heard>());
      ADD_FAILURE();
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), kind) << error.what();
    }
  };
  refused(request_of({}, varied(2)), ErrorKind::kUsage);
  refused(request_of({-1}, varied(2)), ErrorKind::kUsage);
  refused(request_of(prompt(256), varied(2)), ErrorKind::kContext);
  CompletionRequest odd = request_of(prompt(3), varied(2));
  odd.sampling.top_p = 0;
  refused(odd, ErrorKind::kUsage);
  EXPECT_THROW(make_service(model), Error) << "its slots are taken";
  EXPECT_THROW(make_service(nullptr), Error);

  const auto fills = ask(*service, request_of(prompt(250), varied(0)));
  const auto ends = ask(*service, request_of(prompt(5), varied(3)));
  service->drain(seconds(60));
  EXPECT_EQ(fills->end().reason, StopReason::kContextFull);
  EXPECT_EQ(fills->tokens().size(), 6U);
  EXPECT_EQ(ends->ends(), 1U);
  EXPECT_EQ(service->submit(request_of(prompt(5), varied(3)), ends).id, 0U);
  EXPECT_TRUE(service->status().draining);
}

TEST_F(ServiceTest, EndsWhatItIsDestroyedWith) {
  const auto& model = shared();
  auto service = make_service(model);
  const auto answering = ask(*service, request_of(prompt(5), varied(200)));
  const auto beside = ask(*service, request_of(prompt(5), varied(200)));
  const auto waiting = ask(*service, request_of(prompt(5), varied(200)));
  ASSERT_TRUE(answering->wait_for_tokens(2));
  service.reset();
  for (const auto& heard : {answering, beside, waiting}) {
    EXPECT_EQ(heard->ends(), 1U);
    EXPECT_EQ(heard->end().reason, StopReason::kCancelled);
  }
  Session session(model);
  session.append(prompt(5));
  EXPECT_EQ(session.generate(varied(3)).tokens.size(), 3U);
}

TEST_F(ServiceTest, TakesNoMoreMemoryForMoreRequests) {
  const auto& model = shared();
  const auto service = make_service(model);
  const auto ask_many = [&](int count, Token from) {
    std::vector<std::shared_ptr<Heard>> heard;
    for (int i = 0; i < count; ++i)
      heard.push_back(ask(*service, request_of(prompt(70, from + i), varied(2))));
    for (const auto& listener : heard) ASSERT_TRUE(listener->wait_for_end());
  };
  ask_many(20, 0);
  const MemoryUse before = model->memory();
  const ProcessMemory process = process_memory();
  for (Token from = 20; from < 100; from += 20) ask_many(20, from);
  const MemoryUse after = model->memory();
  EXPECT_LE(after.kv, after.kv_limit);
  EXPECT_EQ(after.activations, before.activations);
  EXPECT_LT(process_memory().own(), process.own() + (uint64_t{4} << 20));
}

}  // namespace
}  // namespace caldera::test
