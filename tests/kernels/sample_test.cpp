// What the sampler draws: greedy choices and penalties exactly, distributions by chi-square over fixed seeds.
#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "kernels/kernel_test.hpp"
#include "kernels/sample_reference.hpp"
#include "kernels/test_sampler.hpp"

namespace caldera::kernels {
namespace {

constexpr uint32_t kSequences = 250;
constexpr uint32_t kPositions = 16;

/// Draws 4000 times, with 250 seeds at 16 positions each; (seeds, positions).
std::vector<uint32_t> draw_many(const std::vector<float>& logits, const Sequence& sequence) {
  TestSampler sampler(static_cast<uint32_t>(logits.size()), kSequences, sequence);
  sampler.set_all_logits(logits);
  return sampler.draw_series(100, kPositions);
}

void check_distribution(const std::vector<float>& logits, const Sequence& sequence) {
  expect_drawn_from(distribution(logits, sequence), draw_many(logits, sequence));
}

uint32_t greedy(const std::vector<float>& logits, uint32_t threads = 0) {
  TestSampler sampler(static_cast<uint32_t>(logits.size()), 1, plain(0));
  sampler.set_threads(threads);
  sampler.set_all_logits(logits);
  return sampler.draw(5)[0];
}

TEST(SampleGreedyTest, TakesTheLargest) {
  for (const uint32_t vocabulary : {1U, 2U, 7U, 31U, 200U, 1000U, 50001U}) {
    const std::vector<float> logits = test::uniforms(vocabulary, vocabulary, -30, -10);
    EXPECT_EQ(greedy(logits), std::max_element(logits.begin(), logits.end()) - logits.begin());
  }
}

TEST(SampleGreedyTest, TakesTheLowestIdOfEquals) {
  for (const std::vector<uint32_t>& equals :
       {std::vector<uint32_t>{0, 999}, {998, 999}, {31, 32, 33}, {500, 501, 999}, {0, 1, 2}}) {
    std::vector<float> logits = test::uniforms(1000, 3, -5, 5);
    for (const uint32_t id : equals) logits[id] = 6;
    EXPECT_EQ(greedy(logits), equals[0]);
  }
  EXPECT_EQ(greedy(std::vector<float>(1000, 0)), 0U);
}

TEST(SampleGreedyTest, TakesTheLowestIdOfEqualsInDifferentSlices) {
  constexpr uint32_t kVocabulary = 128257;
  for (const std::vector<uint32_t>& equals :
       {std::vector<uint32_t>{2047, 2048}, {2048, 4096, 128256}, {5000, 70000}, {128255, 128256}, {128256}}) {
    std::vector<float> logits = test::uniforms(kVocabulary, 3, -5, 5);
    for (const uint32_t id : equals) logits[id] = 6;
    EXPECT_EQ(greedy(logits), equals[0]);
    EXPECT_EQ(greedy(logits, kGpuThreads), equals[0]);
  }
  EXPECT_EQ(greedy(std::vector<float>(kVocabulary, -2)), 0U);
}

TEST(SampleGreedyTest, PassesOverWhatIsNoNumber) {
  std::vector<float> logits(200, NAN);
  logits[150] = -1e30F;
  logits[40] = -INFINITY;
  EXPECT_EQ(greedy(logits), 150U);
  EXPECT_LT(greedy(std::vector<float>(200, NAN)), 200U);
  EXPECT_LT(greedy(std::vector<float>(200, -INFINITY)), 200U);
}

TEST(SampleDrawTest, StaysInTheVocabularyWhateverTheLogits) {
  Sequence sequence = plain();
  sequence.top_k = 40;
  sequence.top_p = 0.9F;
  sequence.min_p = 0.05F;
  for (const float value : {NAN, INFINITY, -INFINITY, 3e38F, -3e38F}) {
    for (const uint32_t top_k : {0U, 40U}) {
      sequence.top_k = top_k;
      std::vector<float> logits = test::uniforms(200, 1);
      logits[7] = value;
      for (const std::vector<float>& tried : {logits, std::vector<float>(200, value)}) {
        TestSampler sampler(200, 20, sequence);
        sampler.set_all_logits(tried);
        for (const uint32_t token : sampler.draw(3)) ASSERT_LT(token, 200U) << value;
      }
    }
  }
}

TEST(SampleDrawTest, PlainAndTemperature) {
  for (const uint32_t vocabulary : {200U, 1000U}) {
    for (const float temperature : {1.0F, 0.5F, 2.0F})
      check_distribution(model_logits(vocabulary), plain(temperature));
  }
  check_distribution({1}, plain());
  check_distribution({0, 0.5F, -0.5F}, plain());
}

TEST(SampleDrawTest, TopK) {
  for (const uint32_t top_k : {1U, 2U, 40U, 199U, 200U, 201U, UINT32_MAX}) {
    Sequence sequence = plain(1.5F);
    sequence.top_k = top_k;
    check_distribution(model_logits(200), sequence);
  }
  Sequence sequence = plain(1.5F);
  sequence.top_k = 100;
  check_distribution(model_logits(1000), sequence);
}

TEST(SampleDrawTest, TopKTakesTheFirstOfEqualsAtItsEdge) {
  std::vector<float> logits = test::uniforms(1000, 9, -4, -1);
  for (const uint32_t id : {900U, 40U, 41U, 42U, 555U, 999U}) logits[id] = 1;
  logits[700] = 2;
  for (const uint32_t top_k : {1U, 2U, 4U, 7U, 8U}) {
    Sequence sequence = plain();
    sequence.top_k = top_k;
    check_distribution(logits, sequence);
  }
  Sequence sequence = plain();
  sequence.top_k = 10;
  check_distribution(std::vector<float>(200, -1), sequence);
}

TEST(SampleDrawTest, TopKIsCapped) {
  Sequence sequence = plain(4);
  sequence.top_k = 5000;
  check_distribution(model_logits(6000), sequence);
}

TEST(SampleDrawTest, TopP) {
  for (const float top_p : {0.0F, 0.01F, 0.5F, 0.95F, 0.9999F}) {
    Sequence sequence = plain();
    sequence.top_p = top_p;
    check_distribution(model_logits(200), sequence);
  }
  Sequence sequence = plain();
  sequence.top_p = 0.8F;
  check_distribution(model_logits(1000), sequence);
}

TEST(SampleDrawTest, TopPKeepsEquals) {
  std::vector<float> logits(200, -3);
  for (const uint32_t id : {3U, 77U, 150U, 199U}) logits[id] = 2;
  Sequence sequence = plain();
  sequence.top_p = 0.1F;
  check_distribution(logits, sequence);
}

TEST(SampleDrawTest, MinP) {
  for (const uint32_t vocabulary : {200U, 1000U}) {
    for (const float min_p : {0.01F, 0.05F, 0.5F, 1.0F}) {
      Sequence sequence = plain();
      sequence.min_p = min_p;
      check_distribution(model_logits(vocabulary), sequence);
    }
  }
}

TEST(SampleDrawTest, AllTogether) {
  Sequence sequence = plain(0.8F);
  sequence.top_k = 40;
  sequence.top_p = 0.95F;
  sequence.min_p = 0.05F;
  for (const uint32_t vocabulary : {200U, 10000U}) check_distribution(model_logits(vocabulary), sequence);
  sequence.temperature = 3;
  sequence.top_p = 0.6F;
  check_distribution(model_logits(200), sequence);
}

// Known answers of Philox 2x32-10, from the file kat_vectors of Random123
// (https://github.com/DEShawResearch/random123). With equal logits the draw is the upper 24 bits of the first
// word, as a fraction of the vocabulary.
TEST(SampleDrawTest, DrawsByPhilox) {
  struct {
    uint32_t position, seed_high, seed_low, word;
  } const known[] = {{0, 0, 0, 0xFF1DAE59},
                     {0xFFFFFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0x2C3F628B},
                     {0x243F6A88, 0x85A308D3, 0x13198A2E, 0xDD7CE038}};
  for (const auto& vector : known) {
    TestSampler sampler(1000, 1, plain());
    std::vector<Sequence> states = sampler.sequences();
    states[0].seed_low = vector.seed_low;
    states[0].seed_high = vector.seed_high;
    sampler.set_sequences(states);
    sampler.set_all_logits(std::vector<float>(1000, 1));
    EXPECT_EQ(sampler.draw(vector.position)[0], (vector.word >> 8) * uint64_t{1000} >> 24);
  }
}

TEST(SampleDrawTest, SameSeedSameDraws) {
  const std::vector<float> logits = model_logits(1000);
  const std::vector<uint32_t> first = draw_many(logits, plain());
  EXPECT_EQ(first, draw_many(logits, plain()));
  Sequence other = plain();
  other.seed_high = 1;
  EXPECT_NE(first, draw_many(logits, other));
  // Neither positions nor seeds repeat each other.
  std::set<std::vector<uint32_t>> of_seeds;
  std::set<std::vector<uint32_t>> of_positions;
  for (uint32_t s = 0; s < kSequences; ++s) {
    const auto begin = first.begin() + int64_t{s} * kPositions;
    of_seeds.emplace(begin, begin + kPositions);
  }
  for (uint32_t p = 0; p < kPositions; ++p) {
    std::vector<uint32_t> row;
    for (uint32_t s = 0; s < kSequences; ++s) row.push_back(first[size_t{s} * kPositions + p]);
    of_positions.insert(row);
  }
  EXPECT_EQ(of_seeds.size(), kSequences);
  EXPECT_EQ(of_positions.size(), kPositions);
}

TEST(SampleDrawTest, PenaltiesComeFirst) {
  Sequence sequence = plain(0.7F);
  sequence.repeat_penalty = 1.3F;
  sequence.presence_penalty = 0.4F;
  sequence.frequency_penalty = 0.2F;
  sequence.penalty_window = 1000;
  sequence.top_k = 30;
  const std::vector<float> logits = model_logits(200);
  TestSampler sampler(200, kSequences, sequence);
  std::vector<uint32_t> counts(200);
  for (uint32_t i = 0; i < 200; i += 3) counts[i] = i % 5 + 1;
  std::vector<uint32_t> all;
  for (uint32_t s = 0; s < kSequences; ++s) all.insert(all.end(), counts.begin(), counts.end());
  std::vector<uint32_t> drawn;
  for (uint32_t position = 0; position < 16; ++position) {
    sampler.set_counts(all);
    sampler.set_all_logits(logits);
    const std::vector<uint32_t> tokens = sampler.draw(position);
    drawn.insert(drawn.end(), tokens.begin(), tokens.end());
  }
  const std::vector<float> expected = penalised(logits, counts, sequence);
  const std::vector<float> changed = sampler.logits();
  for (uint32_t i = 0; i < 200; ++i) EXPECT_NEAR(changed[i], expected[i], 1e-5) << i;
  expect_drawn_from(distribution(expected, sequence), drawn);
}

}  // namespace
}  // namespace caldera::kernels
