// Rests between submissions: asked for while there is work, heeded, and without any effect on what is
// computed.
#include "caldera/service.hpp"
#include "engine/models.hpp"
#include "engine/service_listener.hpp"
#include "machine/cooling.hpp"
#include "machine/recorded_tree.hpp"

namespace caldera::test {
namespace {

constexpr int kMostAnswers = 1000;  // to wait for what must come at some time

/// A sensor in a file, and what it makes of a model's work.
class Rest : public ::testing::Test {
 protected:
  Rest() { set(40); }
  void set(int celsius) {
    tree_.write("sys/class/hwmon/hwmon0/temp1_input", std::to_string(celsius) + "000\n");
  }

  std::shared_ptr<Model> loaded() {
    cooling_ = std::make_unique<machine::Cooling>(machine::Sensors({"", true}, tree_.root()), 80);
    LoadOptions options{.context = 256, .sequences = 2};
    options.rest = [this](double worked) {
      ++asked_;
      least_ = std::min(least_, worked);
      return cooling_->rest(worked);
    };
    return load(data("tiny_llama3.gguf"), options);
  }
  uint64_t rests() const { return cooling_->report().rests; }

  RecordedTree tree_{{"sys/class/hwmon/hwmon0/name", "k10temp\n"},
                     {"sys/class/hwmon/hwmon0/temp1_input", "40000\n"},
                     {"sys/class/hwmon/hwmon0/temp1_label", "Tctl\n"}};
  std::unique_ptr<machine::Cooling> cooling_;
  std::atomic<uint64_t> asked_{0};
  double least_ = 1e9;
};

TEST_F(Rest, IsTakenWhileItIsWarmAndChangesNothing) {
  const auto model = loaded();
  Session session(model);
  const std::vector<Token> prompt = {1, 5, 9, 2, 7, 30, 12};
  const auto answer = [&](std::function<void()> in_the_middle) {
    session.truncate(0);
    session.append(prompt);
    GenerateOptions options = greedy(200);
    size_t events = 0;
    options.on_text = [&](std::string_view) {
      if (++events == 20) in_the_middle();
      return true;
    };
    return session.generate(options).tokens;
  };
  const std::vector<Token> expected = answer([] {});
  for (int i = 0; i < kMostAnswers && asked_ < 3; ++i) EXPECT_EQ(answer([] {}), expected);
  EXPECT_GE(asked_, 3U) << "while it is cool too";
  EXPECT_EQ(rests(), 0U);
  EXPECT_GE(least_, 0.05);
  EXPECT_EQ(answer([&] { set(79); }), expected);
  for (int i = 0; i < kMostAnswers && rests() < 2; ++i) EXPECT_EQ(answer([] {}), expected);
  EXPECT_GE(rests(), 2U);
  EXPECT_GT(cooling_->report().rested, 0);
  expect_valid(*model);
}

TEST_F(Rest, IsTakenByAServiceToo) {
  set(79);
  const auto model = loaded();
  const auto service = make_service(model);
  for (int i = 0; i < kMostAnswers && rests() == 0; ++i) {
    std::vector<std::shared_ptr<Heard>> heard;
    for (const Token first : {3, 4}) {
      CompletionRequest request;
      request.prompt = {first, 5, 6};
      request.sampling.temperature = 0;
      request.max_tokens = 100;
      request.ignore_end = true;
      heard.push_back(std::make_shared<Heard>());
      ASSERT_NE(service->submit(request, heard.back()).id, 0U);
    }
    for (const auto& each : heard) {
      ASSERT_TRUE(each->wait_for_end());
      EXPECT_EQ(each->end().completion_tokens, 100U);
    }
  }
  EXPECT_GE(rests(), 1U);
}

}  // namespace
}  // namespace caldera::test
