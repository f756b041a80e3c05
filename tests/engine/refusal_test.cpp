// Memory that is refused to one of several prompts.
#include <gtest/gtest.h>

#include <numeric>

#include "engine/models.hpp"

namespace caldera::test {
namespace {

constexpr uint64_t kPage = 1474560;  // of SmolLM2

uint64_t reserved(const Model& model) {
  const std::vector<HeapUse> heaps = model.memory().heaps;
  return std::accumulate(heaps.begin(), heaps.end(), uint64_t{0},
                         [](uint64_t sum, const HeapUse& heap) { return sum + heap.reserved; });
}

TEST(Refusal, WhatALongPromptCannotUseIsThereForTheNext) {
  const uint64_t without_pages = reserved(*Model::load(smollm2(), {.sequences = 2}));
  const std::shared_ptr<Model> model =
      Model::load(smollm2(), {.sequences = 2, .memory_limit = without_pages + 2 * kPage});
  Session long_one(model);
  Session short_one(model);
  long_one.append(std::vector<Token>(1900, 5));
  short_one.append(std::vector<Token>(30, 5));
  GenerateRequest requests[] = {{&long_one, greedy(4)}, {&short_one, greedy(4)}};
  const std::vector<Generation> both = generate(requests);
  EXPECT_EQ(both[0].reason, StopReason::kOutOfMemory);
  EXPECT_NE(both[0].error.find("--memory-limit"), std::string::npos) << both[0].error;
  EXPECT_EQ(both[1].reason, StopReason::kMaxTokens) << both[1].error;
  EXPECT_EQ(both[1].tokens.size(), 4U);
  EXPECT_EQ(both[1].error, "");
  EXPECT_EQ(model->memory().kv, kPage);
  // The refused one goes on with less.
  long_one.truncate(30);
  EXPECT_EQ(long_one.generate(greedy(4)).tokens, both[1].tokens);
}

}  // namespace
}  // namespace caldera::test
