// Whether many draws follow the documented distributions: by chi-square over 100 000 draws for each of the
// usual settings, and over fewer wherever the sampler goes another way because of the vocabulary's size or
// its shape.
#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "kernels/kernel_test.hpp"
#include "kernels/sample_reference.hpp"
#include "kernels/test_sampler.hpp"

namespace caldera::kernels {
namespace {

struct Setting {
  std::string name;
  Sequence sequence;
};

Setting setting(std::string name, float temperature, uint32_t top_k, float top_p, float min_p) {
  Sequence sequence = plain(temperature);
  sequence.top_k = top_k;
  sequence.top_p = top_p;
  sequence.min_p = min_p;
  return {std::move(name), sequence};
}

/// At least `draws` draws by `sequences` sequences at consecutive positions.
std::vector<uint32_t> draw_at_least(size_t draws, uint32_t sequences, const std::vector<float>& logits,
                                    const Sequence& sequence, uint32_t threads = 0) {
  TestSampler sampler(static_cast<uint32_t>(logits.size()), sequences, sequence);
  sampler.set_threads(threads);
  sampler.set_all_logits(logits);
  std::vector<uint32_t> drawn;
  for (uint32_t position = 0; drawn.size() < draws; position += kResultRing) {
    const auto steps = static_cast<uint32_t>(
        std::min<size_t>(kResultRing, (draws - drawn.size() + sequences - 1) / sequences));
    const std::vector<uint32_t> more = sampler.draw_series(position, steps);
    drawn.insert(drawn.end(), more.begin(), more.end());
  }
  return drawn;
}

constexpr size_t kManyDraws = 100000;
constexpr uint32_t kManySequences = 250;

TEST(SampleDistributionTest, HundredThousandDraws) {
  const std::vector<float> logits = model_logits(300);
  for (const Setting& s :
       {setting("plain", 1, 0, 1, 0), setting("temperature", 0.7F, 0, 1, 0), setting("top-k 5", 1, 5, 1, 0),
        setting("top-k 40", 1, 40, 1, 0), setting("top-p", 1, 0, 0.9F, 0), setting("min-p", 1, 0, 1, 0.1F)}) {
    SCOPED_TRACE(s.name);
    expect_drawn_from(distribution(logits, s.sequence),
                      draw_at_least(kManyDraws, kManySequences, logits, s.sequence));
  }
}

TEST(SampleDistributionTest, HundredThousandDrawsWithPenalties) {
  Sequence sequence = setting("", 0.8F, 40, 0.95F, 0.02F).sequence;
  sequence.repeat_penalty = 1.2F;
  sequence.presence_penalty = 0.3F;
  sequence.frequency_penalty = 0.15F;
  sequence.penalty_window = 1000;
  const std::vector<float> logits = model_logits(300);
  std::vector<uint32_t> counts(300);
  for (uint32_t i = 0; i < 300; i += 4) counts[i] = i % 3 + 1;
  std::vector<uint32_t> all;
  for (uint32_t s = 0; s < kManySequences; ++s) all.insert(all.end(), counts.begin(), counts.end());
  constexpr uint32_t kSteps = kManyDraws / kManySequences;
  TestSampler sampler(300, kManySequences, sequence, kSteps + 1);
  std::vector<uint32_t> drawn;
  for (uint32_t position = 0; position < kSteps; ++position) {
    sampler.set_counts(all);  // each draw counts its token, and each step penalises anew
    sampler.set_all_logits(logits);
    const std::vector<uint32_t> tokens = sampler.draw(position);
    drawn.insert(drawn.end(), tokens.begin(), tokens.end());
  }
  expect_drawn_from(distribution(penalised(logits, counts, sequence), sequence), drawn);
}

/// Draws from a vocabulary of many slices, in the workgroups of GPUs and of software devices.
void check_large(const std::vector<float>& logits, const Setting& s, size_t draws) {
  SCOPED_TRACE(s.name);
  const std::vector<double> expected = distribution(logits, s.sequence);
  const std::vector<uint32_t> drawn = draw_at_least(draws, 8, logits, s.sequence);
  expect_drawn_from(expected, drawn);
  expect_drawn_from(expected, draw_at_least(draws, 8, logits, s.sequence, kGpuThreads));
}

TEST(SampleDistributionTest, LargeVocabulary) {
  // Sums of uniform numbers, so that few tokens are likely and the tail is long.
  std::vector<float> logits = test::uniforms(128256, 1, -3, 3);
  for (const uint32_t seed : {2U, 3U, 4U}) {
    const std::vector<float> more = test::uniforms(logits.size(), seed, -3, 3);
    for (size_t i = 0; i < logits.size(); ++i) logits[i] += more[i];
  }
  for (size_t i = 100; i < logits.size(); i += 9001) logits[i] += 9;
  for (const Setting& s : {setting("plain", 1, 0, 1, 0), setting("top-k", 1, 40, 1, 0),
                           setting("top-p", 0.6F, 0, 0.9F, 0), setting("all", 0.8F, 200, 0.95F, 0.02F)}) {
    check_large(logits, s, 256);
  }
}

// Where more tokens stay than are listed, those that stay for certain are only counted.
TEST(SampleDistributionTest, MoreStayThanAreListed) {
  const std::vector<float> logits = model_logits(20011);
  for (const Setting& s : {setting("top-p", 1, 0, 0.97F, 0), setting("min-p", 1, 0, 1, 0.003F),
                           setting("top-p before min-p", 2, 0, 0.8F, 0.001F),
                           setting("min-p before top-p", 2, 0, 0.999F, 0.1F)}) {
    check_large(logits, s, 768);
  }
}

// Where even those that lie about the cut are too many, all logits are read again.
TEST(SampleDistributionTest, NearlyFlat) {
  std::vector<float> logits = test::uniforms(9001, 5, -0.01F, 0.01F);
  for (size_t i = 3000; i < 3010; ++i) logits[i] = 3;
  for (const Setting& s : {setting("plain", 1, 0, 1, 0), setting("top-k", 1, 700, 1, 0),
                           setting("top-k and top-p", 1, 1024, 0.5F, 0), setting("top-p", 1, 0, 0.6F, 0),
                           setting("min-p", 1, 0, 1, 0.05F), setting("both", 1, 0, 0.7F, 0.0498F)}) {
    check_large(logits, s, 768);
  }
}

TEST(SampleDistributionTest, Flat) {
  std::vector<float> logits(5000, 0.25F);
  for (const Setting& s : {setting("plain", 1, 0, 1, 0), setting("top-k", 1, 700, 1, 0),
                           setting("top-p keeps equals", 1, 0, 0.3F, 0), setting("min-p", 1, 0, 1, 1)}) {
    check_large(logits, s, 768);
  }
  for (size_t i = 0; i < logits.size(); i += 2) logits[i] = 0.2499F;
  check_large(logits, setting("two levels, top-k", 1, 600, 1, 0), 768);
  check_large(logits, setting("two levels, top-p", 1, 0, 0.4F, 0), 768);
}

// Sums of all slices must come to the same whichever workgroup is last.
TEST(SampleDistributionTest, SameSeedSameDrawsInEveryRun) {
  const std::vector<float> logits = model_logits(20011);
  for (const Setting& s : {setting("plain", 1, 0, 1, 0), setting("top-p", 1, 0, 0.97F, 0),
                           setting("top-k", 1, 300, 0.9F, 0), setting("min-p", 1, 0, 1, 0.003F)}) {
    SCOPED_TRACE(s.name);
    const std::vector<uint32_t> first = draw_at_least(512, 8, logits, s.sequence, kGpuThreads);
    for (int run = 0; run < 3; ++run)
      EXPECT_EQ(draw_at_least(512, 8, logits, s.sequence, kGpuThreads), first);
  }
}

TEST(SampleDistributionTest, StaysInALargeVocabularyWhateverTheLogits) {
  for (const float value : {NAN, INFINITY, -INFINITY, 3e38F, -3e38F}) {
    for (const Setting& s : {setting("plain", 1, 0, 1, 0), setting("top-k", 1, 40, 1, 0),
                             setting("top-p", 1, 0, 0.9F, 0), setting("min-p", 1, 0, 1, 0.1F),
                             setting("cold", 1e-38F, 0, 0.9F, 0), setting("hot", 1e30F, 0, 0.9F, 0)}) {
      std::vector<float> logits = test::uniforms(4099, 1);
      logits[2048] = value;
      for (const std::vector<float>& tried : {logits, std::vector<float>(4099, value)}) {
        for (const uint32_t token : draw_at_least(8, 8, tried, s.sequence)) {
          ASSERT_LT(token, 4099U) << value << ", " << s.name;
        }
      }
    }
  }
}

TEST(SampleDistributionTest, SettingsOfOutputsAreTheirOwn) {
  const std::vector<float> logits = model_logits(5003);
  const Setting settings[] = {setting("greedy", 0, 0, 1, 0), setting("plain", 1, 0, 1, 0),
                              setting("top-k", 1, 3, 1, 0), setting("top-p", 0.5F, 0, 0.2F, 0)};
  TestSampler sampler(5003, 8, plain());
  sampler.set_all_logits(logits);
  std::vector<Sequence> states = sampler.sequences();
  for (size_t s = 0; s < states.size(); ++s) {
    const Sequence before = states[s];
    states[s] = settings[s % 4].sequence;
    states[s].decode_entry = before.decode_entry;
    states[s].seed_low = before.seed_low;
  }
  sampler.set_sequences(states);
  const std::vector<uint32_t> drawn = sampler.draw_series(0, kResultRing);
  for (size_t s = 0; s < states.size(); ++s) {
    const auto begin = drawn.begin() + static_cast<int64_t>(s * kResultRing);
    const std::vector<uint32_t> of(begin, begin + kResultRing);
    if (states[s].temperature > 0) {
      expect_drawn_from(distribution(logits, states[s]), of);
    } else {
      const auto largest = std::max_element(logits.begin(), logits.end()) - logits.begin();
      EXPECT_EQ(of, std::vector<uint32_t>(kResultRing, static_cast<uint32_t>(largest)));
    }
  }
}

}  // namespace
}  // namespace caldera::kernels
