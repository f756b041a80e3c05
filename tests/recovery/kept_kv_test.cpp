// Keys and values on the host: after a loss they are written back, not computed again.
#include "engine/kept_kv.hpp"

#include "recovery/lost_device.hpp"

namespace caldera::test {
namespace {

using ::testing::Each;
using ::testing::HasSubstr;
using ::testing::Le;

constexpr uint32_t kPage = 64;

/// With a device that can be lost.
class KeptKv : public LostDevice {
 protected:
  LoadOptions keeping() {
    LoadOptions load = options();
    load.keep_kv = true;
    return load;
  }
  /// Loses the device while the `nth` piece of text is heard, and says in `read_again` how many tokens were
  /// to be read then.
  GenerateOptions lost_at(GenerateOptions options, uint32_t nth) {
    pieces_ = 0;
    read_again.clear();
    options.on_text = [this, nth](std::string_view) {
      if (++pieces_ == nth) simulated_->lose_device(LossPoint::kSubmission, 1);
      return true;
    };
    options.on_prompt = [this](uint32_t done, uint32_t total) {
      if (pieces_ > 0 && done == 0) read_again.push_back(total);
      return true;
    };
    return options;
  }
  static GenerateOptions random(uint32_t tokens) {
    GenerateOptions options = varied(tokens);
    options.sampling.temperature = 0.9F;
    options.sampling.top_k = 0;
    options.sampling.presence_penalty = 0.7F;
    options.sampling.frequency_penalty = 0.5F;
    options.sampling.repeat_penalty = 1.2F;
    options.sampling.seed = 11;
    return options;
  }
  static GenerateOptions shifting(GenerateOptions options) {
    options.context_end = ContextEnd::kShift;
    return options;
  }

  std::vector<uint32_t> read_again;

 private:
  uint32_t pieces_ = 0;
};

Generation alone(const std::shared_ptr<Model>& model, const std::vector<Token>& tokens,
                 const GenerateOptions& options) {
  Session session(model);
  session.append(tokens);
  return session.generate(options);
}

TEST_F(KeptKv, OnlyTheLastPageIsReadAgain) {
  const auto model = load(file_, keeping());
  const Generation whole = alone(model, prompt(150), random(40));
  EXPECT_EQ(model->memory().kept_kv, 0U) << "of no session";
  for (const uint32_t piece : {2U, 30U}) {
    SCOPED_TRACE(piece);
    Session session(model);
    session.append(prompt(150));
    const Generation mended = session.generate(lost_at(random(40), piece));
    EXPECT_EQ(mended.tokens, whole.tokens);
    EXPECT_EQ(mended.text, whole.text);
    EXPECT_EQ(read_again.size(), 1U);
    EXPECT_THAT(read_again, Each(Le(kPage)));
    const MemoryUse use = model->memory();
    EXPECT_EQ(use.kept_kv, use.kv) << "two full pages, and the one that the prompt ended in";
  }
  expect_valid(*model);
}

TEST_F(KeptKv, WhatWasDecodedIsDecodedAgain) {
  // Steps compute with activations in 8 bits, prompts do not.
  LoadOptions int8 = keeping();
  int8.arithmetic = Arithmetic::kInt8;
  const auto model = load(file_, int8);
  Session whole(model);
  whole.append(prompt(150));
  whole.generate(random(20));
  const std::vector<float> logits = whole.logits();
  Session session(model);
  session.append(prompt(150));
  session.generate(lost_at(random(20), 12));
  EXPECT_EQ(losses(), 1U);
  EXPECT_TRUE(std::ranges::equal(session.tokens(), whole.tokens()));
  const std::vector<float> again = session.logits();
  // Prompts are read in batches by the clock, which differ in the order of sums.
  for (size_t i = 0; i < logits.size(); ++i) ASSERT_NEAR(again[i], logits[i], 2e-4) << i;
  expect_valid(*model);
}

TEST_F(KeptKv, APromptIsReadOn) {
  const auto model = load(file_, keeping());
  const std::vector<Token> tokens = prompt(200);
  const Generation whole = alone(model, tokens, random(6));
  Session session(model);
  session.append(tokens);
  GenerateOptions lost = random(6);
  bool armed = true;
  std::vector<uint32_t> totals;
  lost.on_prompt = [&](uint32_t done, uint32_t total) {
    if (totals.empty() || totals.back() != total) totals.push_back(total);
    if (armed && done >= 160) {
      armed = false;
      simulated_->lose_device(LossPoint::kSubmission, 1);
    }
    return true;
  };
  EXPECT_EQ(session.generate(lost).tokens, whole.tokens);
  EXPECT_THAT(totals, ::testing::ElementsAre(200U, 200 - 2 * kPage));
  expect_valid(*model);
}

TEST_F(KeptKv, AShiftedSequenceKeepsWhatItHadMadeOfForgottenTokens) {
  const auto model = load(file_, keeping());
  const std::vector<Token> tokens = prompt(230);
  const Generation whole = alone(model, tokens, shifting(random(100)));
  EXPECT_EQ(whole.dropped_tokens, 2 * kPage);
  uint32_t read_last = 0;
  /// What a session says whose device is lost after so many tokens.
  const auto said = [&](const std::shared_ptr<Model>& by, uint32_t before) {
    Session session(by);
    session.append(tokens);
    std::vector<Token> all = session.generate(shifting(random(before))).tokens;
    simulated_->lose_device(LossPoint::kSubmission, 1);
    GenerateOptions rest = shifting(random(100 - before));
    rest.on_prompt = [&](uint32_t, uint32_t total) {
      read_last = total;
      return true;
    };
    const std::vector<Token> more = session.generate(rest).tokens;
    all.insert(all.end(), more.begin(), more.end());
    return all;
  };
  // Shifted at 26 and 90 tokens: at once, when the page that was not full is, and after both.
  for (const uint32_t before : {28U, 70U, 95U}) {
    EXPECT_EQ(said(model, before), whole.tokens) << before;
    EXPECT_LE(read_last, kPage) << before;
  }
  // Without a copy the tokens are all there is, and they say something else.
  EXPECT_NE(said(loaded(), 28), whole.tokens);
  EXPECT_EQ(losses(), 4U);
  expect_valid(*model);
}

TEST_F(KeptKv, SessionsThatNobodyUsedAreRestoredToo) {
  const auto model = load(file_, keeping());
  Session idle(model);
  idle.append(prompt(140, 3));
  idle.generate(random(4));
  Session other(model);
  other.append(prompt(70));
  other.generate(lost_at(random(10), 5));
  EXPECT_EQ(losses(), 1U);
  idle.append(prompt(5));
  const Generation more = idle.generate(random(4));
  EXPECT_EQ(more.reused_tokens, 140U);
  EXPECT_EQ(more.prompt_tokens, 4U + 5U);
  // What changes is copied again.
  idle.truncate(100);
  std::vector<Token> all(idle.tokens().begin(), idle.tokens().end());
  idle.append(prompt(60, 9));
  all.insert(all.end(), idle.tokens().begin() + 100, idle.tokens().end());
  const Generation mended = idle.generate(lost_at(random(8), 3));
  EXPECT_EQ(mended.tokens, alone(model, all, random(8)).tokens);
  EXPECT_EQ(losses(), 2U);
  expect_valid(*model);
}

TEST(KeptPages, FollowTheirSequence) {
  engine::KeptKv kept;
  const auto page = [](bool complete) {
    auto copy = std::make_shared<engine::HostPage>();
    copy->complete = complete;
    return copy;
  };
  for (int i = 0; i < 5; ++i) kept.add({page(true), kPage, {}});
  kept.add({page(true), 7, {}});
  EXPECT_EQ(kept.tokens(), 5 * kPage + 7);
  EXPECT_EQ(kept.full_pages(), 5U);
  kept.drop({kPage, 2 * kPage});
  EXPECT_EQ(kept.tokens(), 3 * kPage + 7);
  EXPECT_TRUE(kept.pages()[0].turns.empty());
  kept.drop({kPage, kPage});
  EXPECT_THAT(kept.pages()[1].turns, ::testing::ElementsAre(2 * kPage, kPage));
  kept.add({page(false), kPage, {}});  // in place of the one that was not full
  EXPECT_EQ(kept.tokens(), 3 * kPage);
  kept.forget_incomplete();
  EXPECT_EQ(kept.tokens(), 2 * kPage);
  kept.truncate(2 * kPage);
  EXPECT_EQ(kept.tokens(), 2 * kPage);
  kept.truncate(2 * kPage - 1);
  EXPECT_EQ(kept.tokens(), kPage);
  kept.drop({kPage, kPage});
  EXPECT_EQ(kept.tokens(), kPage) << "nothing behind what is dropped";
}

TEST(KeptPages, AreRefusedInOneLine) {
  EXPECT_NO_THROW(engine::demand_host_memory(100 << 20, 8192, 100 << 20, false));
  try {
    engine::demand_host_memory(100 << 20, 8192, 199 << 20, true);
    ADD_FAILURE() << "there is not so much";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kMemory);
    EXPECT_THAT(error.what(), HasSubstr("of 8192 tokens on the host takes 200 MiB, half of them"));
    EXPECT_THAT(error.what(), HasSubstr("--keep-kv"));
    EXPECT_EQ(std::string(error.what()).find('\n'), std::string::npos);
  }
}

}  // namespace
}  // namespace caldera::test
