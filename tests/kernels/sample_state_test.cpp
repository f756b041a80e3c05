// What the sampler keeps up to date: penalty windows, results, the decode batch, and which sequences still
// run.
#include <gtest/gtest.h>

#include <algorithm>

#include "kernels/kernel_test.hpp"
#include "kernels/sample_reference.hpp"
#include "kernels/test_sampler.hpp"

namespace caldera::kernels {
namespace {

constexpr uint32_t kNoToken = TestSampler::kNoToken;

/// Logits of which token `id` is the largest.
std::vector<float> wanting(uint32_t id, uint32_t vocabulary) {
  std::vector<float> logits(vocabulary, 0);
  logits[id] = 10;
  return logits;
}

TEST(SampleStateTest, PenaltyWindowSlides) {
  constexpr uint32_t kVocabulary = 50;
  constexpr uint32_t kWindow = 4;
  Sequence sequence = plain(0);
  sequence.frequency_penalty = 0.001F;  // counts, and never changes the choice
  sequence.penalty_window = kWindow;
  TestSampler sampler(kVocabulary, 1, sequence, 32);
  // A prompt of two tokens; the first draw is made from the position of the second.
  std::vector<uint32_t> tokens{7, 9};
  std::vector<uint32_t> history(32);
  std::copy(tokens.begin(), tokens.end(), history.begin());
  sampler.set_history(history);
  std::vector<uint32_t> counts(kVocabulary);
  for (const uint32_t token : tokens) ++counts[token];
  sampler.set_counts(counts);

  for (const uint32_t next : {9U, 9U, 3U, 0U, 49U, 3U, 3U, 3U, 3U, 3U, 12U}) {
    sampler.set_all_logits(wanting(next, kVocabulary));
    ASSERT_EQ(sampler.draw(static_cast<uint32_t>(tokens.size()) - 1)[0], next);
    tokens.push_back(next);
    std::vector<uint32_t> expected(kVocabulary);
    for (size_t i = tokens.size() - std::min<size_t>(tokens.size(), kWindow); i < tokens.size(); ++i) {
      ++expected[tokens[i]];
    }
    ASSERT_EQ(sampler.counts(), expected) << "after " << tokens.size() << " tokens";
    const std::vector<uint32_t> now = sampler.history();
    ASSERT_TRUE(std::equal(tokens.begin(), tokens.end(), now.begin()));
  }
}

TEST(SampleStateTest, PenaltiesFollowTheirFormulas) {
  struct {
    float repeat, presence, frequency;
  } const cases[] = {{2, 0, 0}, {1, 0.5F, 0}, {1, 0, 0.25F}, {1.5F, 0.5F, 0.25F}, {0.5F, -1, -0.5F}};
  for (const auto& c : cases) {
    Sequence sequence = plain(0);
    sequence.repeat_penalty = c.repeat;
    sequence.presence_penalty = c.presence;
    sequence.frequency_penalty = c.frequency;
    sequence.penalty_window = 10;
    const std::vector<float> logits{4, -4, 0, 4, -4, 0, 5};
    const std::vector<uint32_t> counts{1, 1, 1, 0, 0, 0, 3};
    TestSampler sampler(7, 1, sequence);
    sampler.set_logits(logits);
    sampler.set_counts(counts);
    const uint32_t drawn = sampler.draw(0)[0];
    const std::vector<float> expected = penalised(logits, counts, sequence);
    const std::vector<float> got = sampler.logits();
    for (size_t i = 0; i < got.size(); ++i) EXPECT_NEAR(got[i], expected[i], 1e-6) << i;
    EXPECT_EQ(drawn, std::max_element(expected.begin(), expected.end()) - expected.begin());
  }
}

TEST(SampleStateTest, WithoutAWindowNothingIsCountedOrChanged) {
  Sequence sequence = plain(0);
  sequence.repeat_penalty = 2;
  sequence.presence_penalty = 3;
  TestSampler sampler(20, 1, sequence);
  sampler.set_counts(std::vector<uint32_t>(20, 1));
  sampler.set_all_logits(wanting(4, 20));
  EXPECT_EQ(sampler.draw(3)[0], 4U);
  EXPECT_EQ(sampler.logits(), wanting(4, 20));
  EXPECT_EQ(sampler.counts(), std::vector<uint32_t>(20, 1));
}

TEST(SampleStateTest, ResultsGoRoundTheRing) {
  TestSampler sampler(200, 2, plain(0));
  std::vector<uint32_t> expected(2 * kResultRing, kNoToken);
  for (uint32_t step = 0; step < kResultRing + 3; ++step) {
    std::vector<float> logits = wanting(step, 200);
    const std::vector<float> second = wanting(199 - step, 200);
    logits.insert(logits.end(), second.begin(), second.end());
    sampler.set_logits(logits);
    sampler.draw(step);
    expected[step % kResultRing] = step;
    expected[kResultRing + step % kResultRing] = 199 - step;
    if (step == 0 || step > kResultRing - 2) {
      ASSERT_EQ(sampler.results(), expected) << "step " << step;
    }
  }
  for (const Sequence& state : sampler.sequences()) EXPECT_EQ(state.produced, kResultRing + 3);
}

TEST(SampleStateTest, FeedsTheDecodeBatch) {
  // Three sequences are read in a batch of six tokens; their outputs come in another order, and their entries
  // of the decode batch in a third.
  TestSampler sampler(100, 3, plain(0));
  std::vector<Sequence> states = sampler.sequences();
  states[0].decode_entry = 2;
  states[1].decode_entry = 0;
  states[2].decode_entry = 3;
  sampler.set_sequences(states);
  const TestBatch batch(
      {{1, 10, 0, 0}, {1, 11, 0, 0}, {1, 20, 1, 0}, {1, 0, 2, 0}, {1, 1, 2, 0}, {1, 2, 2, 0}}, {5, 1, 2}, 99);
  const TestBatch decode(std::vector<Entry>(5, {kNoToken, 77, 88, 99}), {0, 1, 2, 3, 4}, 3);
  std::vector<float> logits;
  for (const uint32_t id : {42U, 50U, 61U}) {  // outputs 0, 1, 2: slots 2, 0, 1
    const std::vector<float> row = wanting(id, 100);
    logits.insert(logits.end(), row.begin(), row.end());
  }
  sampler.set_logits(logits);
  sampler.step(batch, decode, 3);

  const std::vector<Entry> entries = decode.entries();
  const std::vector<std::pair<uint32_t, uint32_t>> expected{
      {61, 21}, {kNoToken, 77}, {50, 12}, {42, 3}, {kNoToken, 77}};
  for (size_t i = 0; i < entries.size(); ++i) {
    EXPECT_EQ(entries[i].token, expected[i].first) << i;
    EXPECT_EQ(entries[i].position, expected[i].second) << i;
    EXPECT_EQ(entries[i].slot, 88U) << i;
  }
  EXPECT_EQ(decode.head().running, 3U);
  EXPECT_EQ(decode.head().tokens, 5U);
  EXPECT_EQ(batch.head().running, 99U);
}

TEST(SampleStateTest, EndTokensEndSequencesOneByOne) {
  Sequence sequence = plain(0);
  sequence.end_count = kMaxEndTokens;
  for (uint32_t i = 0; i < kMaxEndTokens; ++i) sequence.end_token[i] = 30 + i;
  constexpr uint32_t kCount = 3;
  TestSampler sampler(100, kCount, sequence);
  std::vector<Entry> entries;
  for (uint32_t s = 0; s < kCount; ++s) entries.push_back({0, 5, s, 0});
  const TestBatch batch(entries, {0, 1, 2}, kCount);
  const auto step = [&](std::array<uint32_t, kCount> tokens) {
    std::vector<float> logits;
    for (const uint32_t token : tokens) {
      const std::vector<float> row = wanting(token, 100);
      logits.insert(logits.end(), row.begin(), row.end());
    }
    sampler.set_logits(logits);
    sampler.step(batch, batch, kCount);
  };
  const auto ended = [&] {
    std::vector<uint32_t> flags;
    for (const Sequence& state : sampler.sequences()) flags.push_back(state.ended);
    return flags;
  };

  step({1, 47, 2});  // the last of the end tokens
  EXPECT_EQ(ended(), (std::vector<uint32_t>{0, 1, 0}));
  EXPECT_EQ(batch.head().running, 2U);
  EXPECT_EQ(batch.head().tokens, kCount);
  // The end token itself is a result; after it the sequence stands still.
  EXPECT_EQ(sampler.results()[kResultRing], 47U);
  step({30, 9, 3});
  EXPECT_EQ(ended(), (std::vector<uint32_t>{1, 1, 0}));
  EXPECT_EQ(batch.entries()[1].token, 47U);
  EXPECT_EQ(batch.entries()[1].position, 6U);
  EXPECT_EQ(sampler.sequences()[1].produced, 1U);
  EXPECT_EQ(batch.head().running, 1U);
  step({8, 9, 35});
  EXPECT_EQ(batch.head().running, 0U);
  EXPECT_EQ(batch.head().tokens, 0U) << "the batch must stop when every sequence has ended";
  const std::vector<uint32_t> results = sampler.results();
  step({8, 9, 10});
  EXPECT_EQ(sampler.results(), results);
  EXPECT_EQ(batch.head().running, 0U);
}

TEST(SampleStateTest, EndTokensBeyondTheCountMeanNothing) {
  Sequence sequence = plain(0);
  sequence.end_count = 1;
  sequence.end_token[0] = 3;
  sequence.end_token[1] = 4;
  TestSampler sampler(10, 1, sequence);
  sampler.set_all_logits(wanting(4, 10));
  sampler.draw(0);
  EXPECT_EQ(sampler.sequences()[0].ended, 0U);
}

TEST(SampleStateTest, OnlyTheBatchsOutputsAreDrawn) {
  TestSampler sampler(100, 3, plain(0));
  sampler.set_all_logits(wanting(5, 100));
  std::vector<Entry> entries;
  for (uint32_t s = 0; s < 3; ++s) entries.push_back({kNoToken, 5, s, 0});
  const TestBatch batch(entries, {1}, 3);
  sampler.step(batch, batch, 3);
  EXPECT_EQ(batch.entries()[0].token, kNoToken);
  EXPECT_EQ(batch.entries()[1].token, 5U);
  EXPECT_EQ(batch.entries()[2].token, kNoToken);

  const TestBatch empty({}, {0, 1, 2}, 3);
  const std::vector<uint32_t> results = sampler.results();
  sampler.step(empty, batch, 3);
  EXPECT_EQ(sampler.results(), results);
  EXPECT_EQ(batch.entries()[0].token, kNoToken);
}

}  // namespace
}  // namespace caldera::kernels
