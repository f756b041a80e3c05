// A device that is lost at any point: every text is as if nothing had happened.
#include <algorithm>
#include <filesystem>
#include <functional>

#include "recovery/lost_device.hpp"

namespace caldera::test {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

/// Draws at random, with everything that depends on what was drawn before.
GenerateOptions drawn(uint32_t tokens) {
  GenerateOptions options = greedy(tokens);
  options.sampling = {.temperature = 0.9F,
                      .top_k = 60,
                      .repeat_penalty = 1.3F,
                      .presence_penalty = 0.5F,
                      .frequency_penalty = 0.4F,
                      .penalty_window = 24,
                      .seed = 7};
  return options;
}

/// What an answer was, and what its callback saw.
struct Answer {
  Generation generation;
  std::string heard;
};

Answer answer(Session& session, GenerateOptions options) {
  Answer result;
  options.on_text = [&](std::string_view text) {
    result.heard += text;
    return true;
  };
  result.generation = session.generate(options);
  return result;
}

void expect_same(const Answer& answer, const Generation& whole) {
  EXPECT_EQ(answer.generation.tokens, whole.tokens);
  EXPECT_EQ(answer.generation.text, whole.text);
  EXPECT_EQ(answer.heard, whole.text) << "each piece once";
  EXPECT_EQ(answer.generation.reason, whole.reason);
  EXPECT_EQ(answer.generation.prompt_tokens, whole.prompt_tokens);
  EXPECT_EQ(answer.generation.reused_tokens, whole.reused_tokens);
  EXPECT_THAT(answer.generation.error, IsEmpty());
}

Generation alone(const std::shared_ptr<Model>& model, const std::vector<Token>& tokens,
                 const GenerateOptions& options) {
  Session session(model);
  session.append(tokens);
  return session.generate(options);
}

TEST_F(LostDevice, TheTextIsAsIfNothingHadHappened) {
  const auto model = loaded();
  const std::vector<Token> tokens = prompt(70);  // three submissions, and one for the first token
  const Generation whole = alone(model, tokens, drawn(20));
  const Generation likeliest = alone(model, tokens, varied(20));
  const auto expect_survives = [&](LossPoint point, uint64_t first, const GenerateOptions& options,
                                   const Generation& undisturbed) {
    SCOPED_TRACE(::testing::Message() << "point " << static_cast<int>(point) << " at " << first);
    events.clear();
    Session session(model);
    session.append(tokens);
    simulated_->lose_device(point, first);
    expect_same(answer(session, options), undisturbed);
    EXPECT_EQ(losses(), 1U);
    EXPECT_EQ(count(DeviceLoss::Stage::kRestored), 1U);
  };
  for (const uint64_t first : {1U, 4U, 11U}) expect_survives(LossPoint::kSubmission, first, drawn(20), whole);
  for (const uint64_t first : {5U, 14U}) expect_survives(LossPoint::kWait, first, varied(20), likeliest);
  // The submission that draws the first token, and one of a step.
  for (const uint64_t first : {4U, 9U}) expect_survives(LossPoint::kUnsaid, first, drawn(20), whole);
  expect_valid(*model);
}

TEST_F(LostDevice, SequencesGoOnTogetherAndAlone) {
  const auto model = loaded();
  std::vector<GenerateOptions> options = {drawn(30), varied(8), drawn(24)};
  options[2].sampling.seed = 99;
  const std::vector<std::vector<Token>> prompts = {prompt(40), prompt(9, 77), prompt(66, 3)};
  std::vector<Generation> whole;
  for (size_t i = 0; i < prompts.size(); ++i) whole.push_back(alone(model, prompts[i], options[i]));
  const Generation after = alone(model, {[&] {
                                   std::vector<Token> all = prompts[1];
                                   all.insert(all.end(), whole[1].tokens.begin(), whole[1].tokens.end());
                                   all.push_back(5);
                                   return all;
                                 }()},
                                 varied(6));
  std::vector<Session> sessions;
  std::vector<std::string> heard(prompts.size());
  std::vector<GenerateRequest> requests(prompts.size());
  for (size_t i = 0; i < prompts.size(); ++i) {
    sessions.emplace_back(model);
    sessions[i].append(prompts[i]);
  }
  for (size_t i = 0; i < prompts.size(); ++i) {
    requests[i] = {&sessions[i], options[i]};
    requests[i].options.on_text = [&heard, i](std::string_view text) {
      heard[i] += text;
      return true;
    };
  }
  // While the second prompt is read, among three; while all decode; and when one has ended.
  simulated_->lose_device(LossPoint::kSubmission, 4);
  simulated_->lose_device(LossPoint::kWait, 30);
  size_t told = 0;
  requests[0].options.on_text = [&](std::string_view text) {
    heard[0] += text;
    if (++told == 15) simulated_->lose_device(LossPoint::kSubmission, 1);
    return true;
  };
  const std::vector<Generation> together = generate(requests);
  for (size_t i = 0; i < prompts.size(); ++i) {
    SCOPED_TRACE(i);
    EXPECT_EQ(together[i].tokens, whole[i].tokens);
    EXPECT_EQ(together[i].text, whole[i].text);
    EXPECT_EQ(heard[i], whole[i].text);
  }
  EXPECT_EQ(losses(), 3U);

  // A session that nobody used meanwhile has its tokens, and goes on.
  simulated_->reset();
  const std::vector<Token> kept(sessions[1].tokens().begin(), sessions[1].tokens().end());
  EXPECT_EQ(kept.size(), prompts[1].size() + whole[1].tokens.size());
  sessions[1].append(std::vector<Token>{5});
  EXPECT_EQ(sessions[1].generate(varied(6)).tokens, after.tokens);
  expect_valid(*model);
}

TEST_F(LostDevice, StopStringsAndLimitsCountWhatWasDrawnBefore) {
  const auto model = loaded();
  const Generation long_one = alone(model, prompt(20), drawn(30));
  ASSERT_GT(long_one.text.size(), 12U);
  GenerateOptions options = drawn(30);
  // Begins in what is drawn before the loss and ends after it.
  const std::string text = long_one.text;
  options.stop = {text.substr(text.size() / 2 - 4, 8)};
  const Generation whole = alone(model, prompt(20), options);
  EXPECT_EQ(whole.reason, StopReason::kStopString);
  const auto last = static_cast<uint64_t>(whole.tokens.size());
  for (const uint64_t first : {last - 3, last + 1}) {
    Session session(model);
    session.append(prompt(20));
    simulated_->lose_device(LossPoint::kWait, first);
    expect_same(answer(session, options), whole);
  }
}

TEST_F(LostDevice, LogitsAreTheSame) {
  const auto model = loaded();
  std::vector<float> last;
  std::vector<float> each;
  {
    Session session(model);
    session.append(prompt(50));
    last = session.logits();
    each = session.logits_of_each(prompt(40, 5));
  }
  Session session(model);
  session.append(prompt(50));
  simulated_->lose_device(LossPoint::kSubmission, 2);
  EXPECT_EQ(session.logits(), last);
  simulated_->lose_device(LossPoint::kWait, 5);
  // The first fifty are in other batches when they are read again, with other rounding.
  const std::vector<float> again = session.logits_of_each(prompt(40, 5));
  ASSERT_EQ(again.size(), each.size());
  for (size_t i = 0; i < each.size(); ++i) ASSERT_NEAR(again[i], each[i], 1e-3);
  EXPECT_EQ(losses(), 2U);
}

TEST_F(LostDevice, LoadingBeginsAgain) {
  const Generation whole = alone(loaded(), prompt(20), varied(10));
  for (const auto& [point, first, count] : {simulated::Loss{LossPoint::kAllocation, 1, 1},
                                            {LossPoint::kAllocation, 3, 2},
                                            {LossPoint::kWait, 1, 3}}) {
    SCOPED_TRACE(first);
    events.clear();
    simulated_->lose_device(point, first, count);
    uint64_t done = 0;
    LoadOptions loading = options();
    loading.progress = [&](const LoadProgress& progress) {
      done = progress.bytes_done;
      return true;
    };
    const auto model = load(file_, loading);
    EXPECT_GT(done, 0U);
    EXPECT_EQ(losses(), count);
    EXPECT_EQ(count, events.empty() ? 0 : events[events.size() - 2].in_a_row);
    EXPECT_EQ(alone(model, prompt(20), varied(10)).tokens, whole.tokens);
    simulated_->reset();
  }
  // More often than is made good.
  simulated_->lose_device(LossPoint::kAllocation, 1, UINT64_MAX);
  try {
    loaded();
    ADD_FAILURE() << "the device is lost for ever";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kDevice);
    EXPECT_THAT(error.what(), HasSubstr("lost 4 times in a row"));
    EXPECT_THAT(error.what(), HasSubstr("VK_ERROR_DEVICE_LOST"));
  }
  EXPECT_EQ(simulated_->live_allocations(), 0U);
}

TEST_F(LostDevice, ManyLossesWithoutATokenEndTheAnswerWhichStands) {
  const auto model = loaded();
  const Generation whole = alone(model, prompt(30), drawn(20));
  Session session(model);
  session.append(prompt(30));
  GenerateOptions options = drawn(20);
  std::string heard;
  uint32_t pieces = 0;
  options.on_text = [&](std::string_view text) {
    heard += text;
    if (++pieces == 6) simulated_->lose_device(LossPoint::kWait, 1, UINT64_MAX);
    return true;
  };
  const Generation part = session.generate(options);
  EXPECT_EQ(part.reason, StopReason::kDeviceLost);
  EXPECT_THAT(part.error, HasSubstr("lost 4 times in a row"));
  EXPECT_THAT(part.error, HasSubstr("the text so far is safe"));
  EXPECT_EQ(part.error.find('\n'), std::string::npos);
  EXPECT_EQ(losses(), 3U) << "each was to be made good";
  EXPECT_EQ(part.text, heard);
  EXPECT_EQ(part.text, whole.text.substr(0, part.text.size()));
  EXPECT_EQ(session.tokens().size(), 30 + part.tokens.size());
  // Nothing is left on a device, and what needs none still answers.
  EXPECT_EQ(simulated_->live_allocations(), 0U);
  EXPECT_EQ(model->memory().total(), 0U);
  session.truncate(static_cast<uint32_t>(session.tokens().size()));
  EXPECT_EQ(session.generate(drawn(20)).reason, StopReason::kDeviceLost) << "still lost";

  simulated_->reset();
  const auto left = static_cast<uint32_t>(20 - part.tokens.size());
  GenerateOptions rest = drawn(left);
  const Generation other = session.generate(rest);
  std::vector<Token> all = part.tokens;
  all.insert(all.end(), other.tokens.begin(), other.tokens.end());
  EXPECT_EQ(all, whole.tokens);
  expect_valid(*model);
}

TEST_F(LostDevice, WhoWantsNoRecoveryGetsAnError) {
  LoadOptions none = options();
  none.recoveries = 0;
  const auto model = load(file_, none);
  Session session(model);
  session.append(prompt(30));
  simulated_->lose_device(LossPoint::kWait, 6);
  const Generation part = session.generate(varied(20));
  EXPECT_EQ(part.reason, StopReason::kDeviceLost);
  EXPECT_THAT(part.error, HasSubstr("VK_ERROR_DEVICE_LOST"));
  EXPECT_THAT(events, IsEmpty());
}

TEST_F(LostDevice, TheCallbackCanEndIt) {
  LoadOptions impatient = options();
  bool end = true;
  impatient.on_device_lost = [&](const DeviceLoss&) { return !end; };
  const auto model = load(file_, impatient);
  const Generation whole = alone(model, prompt(30), varied(20));
  Session session(model);
  session.append(prompt(30));
  simulated_->lose_device(LossPoint::kWait, 9);
  const Generation part = session.generate(varied(20));
  EXPECT_EQ(part.reason, StopReason::kCancelled);
  EXPECT_LT(part.tokens.size(), 20U);
  end = false;
  const Generation rest = session.generate(varied(static_cast<uint32_t>(20 - part.tokens.size())));
  EXPECT_EQ(part.text + rest.text, whole.text);
}

TEST_F(LostDevice, AFileThatIsGoneOrAnotherIsAnErrorThatLeavesTheText) {
  const std::filesystem::path file = folder_->path() / "moved.gguf";
  const std::filesystem::path away = folder_->path() / "away.gguf";
  std::filesystem::copy_file(file_, file);
  const auto model = load(file, options());
  const Generation whole = alone(model, prompt(30), varied(20));
  Session session(model);
  session.append(prompt(30));
  std::string text;
  const auto lose_with = [&](const std::function<void()>& change, const char* why) {
    change();
    simulated_->lose_device(LossPoint::kWait, 4);
    const Generation part = session.generate(varied(static_cast<uint32_t>(50 - session.tokens().size())));
    EXPECT_EQ(part.reason, StopReason::kDeviceLost);
    EXPECT_THAT(part.error, HasSubstr(why));
    EXPECT_THAT(part.error, HasSubstr("the text so far is safe"));
    text += part.text;
    simulated_->reset();
  };
  lose_with([&] { std::filesystem::rename(file, away); }, "moved.gguf: cannot be opened");
  lose_with([&] { std::filesystem::copy_file(away, file); },
            "is not the file that the model was loaded from");
  std::filesystem::rename(away, file);
  text += session.generate(varied(static_cast<uint32_t>(50 - session.tokens().size()))).text;
  EXPECT_EQ(text, whole.text);
}

TEST_F(LostDevice, ASessionThatEndsOrShrinksDoesNotNeedTheDevice) {
  const auto model = loaded();
  const Generation whole = alone(model, prompt(10), varied(6));
  auto first = std::make_unique<Session>(model);
  Session second(model);
  first->append(prompt(30));
  first->generate(varied(4));
  second.append(prompt(20));
  second.generate(varied(4));
  simulated_->lose_device(LossPoint::kWait, 1);
  second.truncate(10);
  EXPECT_EQ(second.tokens().size(), 10U);
  first.reset();
  EXPECT_EQ(second.generate(varied(6)).tokens, whole.tokens);
  EXPECT_EQ(second.assign(prompt(12)), 10U) << "kept, and in the memory of the new device";
  Session third(model);
  const Session fourth(model);
}

TEST_F(LostDevice, EventsSayWhatHappened) {
  const auto model = loaded();
  Session session(model);
  session.append(prompt(30));
  simulated_->lose_device(LossPoint::kWait, 6, 2);
  session.generate(varied(8));
  std::vector<DeviceLoss::Stage> stages;
  for (const DeviceLoss& event : events) stages.push_back(event.stage);
  using Stage = DeviceLoss::Stage;
  EXPECT_THAT(stages, ElementsAre(Stage::kLost, Stage::kLost, Stage::kRestored));
  EXPECT_EQ(events[0].in_a_row, 1U);
  EXPECT_EQ(events[1].in_a_row, 2U);
  EXPECT_THAT(events[0].reason, HasSubstr("waiting for the device failed with VK_ERROR_DEVICE_LOST"));
  EXPECT_GT(events[2].seconds, 0);
}

}  // namespace
}  // namespace caldera::test
