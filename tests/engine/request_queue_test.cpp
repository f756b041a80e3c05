// What a service decides without a device: whose turn it is, and which pages to keep.
#include "engine/request_queue.hpp"

#include <gmock/gmock.h>

#include <cmath>

#include "engine/prefix_cache.hpp"
#include "engine/token_choice.hpp"
#include "kernels/state.hpp"

namespace caldera::engine {
namespace {

using ::testing::ElementsAre;

std::shared_ptr<ServiceRequest> request(uint64_t id, const std::string& client,
                                        const std::string& user = {}) {
  auto request = std::make_shared<ServiceRequest>();
  request->id = id;
  request->request.client = client;
  request->request.user = user;
  return request;
}

std::vector<uint64_t> pop_all(RequestQueue& queue) {
  std::vector<uint64_t> ids;
  while (queue.size() > 0) ids.push_back(queue.pop()->id);
  return ids;
}

TEST(RequestQueue, ServesClientsInTurn) {
  RequestQueue queue;
  for (const uint64_t id : {1, 2, 3}) queue.push(request(id, "a"));
  for (const uint64_t id : {4, 5}) queue.push(request(id, "b"));
  EXPECT_EQ(queue.pop()->id, 1U);
  queue.push(request(6, "c"));
  EXPECT_EQ(queue.size("a"), 2U);
  EXPECT_EQ(queue.size("none"), 0U);
  EXPECT_THAT(pop_all(queue), ElementsAre(4, 2, 6, 5, 3));
}

TEST(RequestQueue, GivesAClientWithManyUsersNoMoreTurns) {
  RequestQueue queue;
  queue.push(request(1, "a", "first"));
  queue.push(request(2, "a", "first"));
  queue.push(request(3, "a", "second"));
  queue.push(request(4, "a", "third"));
  for (const uint64_t id : {5, 6, 7}) queue.push(request(id, "b"));
  EXPECT_EQ(queue.size("a"), 4U) << "all of its users";
  EXPECT_THAT(pop_all(queue), ElementsAre(1, 5, 3, 6, 4, 7, 2));
}

TEST(RequestQueue, RemovesWhatIsNamed) {
  RequestQueue queue;
  queue.push(request(1, "a"));
  queue.push(request(2, "b"));
  queue.push(request(3, "a"));
  queue.push(request(4, "c"));
  std::vector<std::shared_ptr<ServiceRequest>> removed;
  queue.remove([](const ServiceRequest& one) { return one.id == 2 || one.id == 3; }, removed);
  EXPECT_EQ(removed.size(), 2U);
  EXPECT_EQ(queue.size(), 2U);
  EXPECT_THAT(pop_all(queue), ElementsAre(1, 4));
}

std::vector<Token> page(Token first) {
  std::vector<Token> tokens(kernels::kPageTokens);
  for (Token& token : tokens) token = first++;
  return tokens;
}

KvPages::Page memory() {
  return std::make_shared<const vulkan::Allocation>();
}

TEST(PrefixCache, FindsPagesByAllThatComesBefore) {
  PrefixCache cache;
  const PrefixCache::Id first = cache.add(0, page(1), memory());
  const PrefixCache::Id second = cache.add(first, page(2), memory());
  EXPECT_EQ(cache.find(0, page(1)).id, first);
  EXPECT_EQ(cache.find(first, page(2)).id, second);
  EXPECT_EQ(cache.find(0, page(2)).id, 0U);
  EXPECT_EQ(cache.add(0, page(1), memory()), first) << "it is there";
  EXPECT_EQ(cache.size(), 2U);
}

TEST(PrefixCache, DropsWhatWasUsedLongestAgoAndTheEndFirst) {
  PrefixCache cache;
  std::vector<PrefixCache::Id> old = {cache.add(0, page(1), memory())};
  old.push_back(cache.add(old[0], page(2), memory()));
  const KvPages::Page held = memory();
  const PrefixCache::Id in_use = cache.add(0, page(3), held);
  const std::vector<PrefixCache::Id> recent = {cache.add(0, page(4), memory())};
  cache.touch(recent);
  cache.touch(old);
  cache.touch(recent);
  EXPECT_EQ(cache.idle(), 3U);
  EXPECT_TRUE(cache.evict());
  EXPECT_EQ(cache.find(old[0], page(2)).id, 0U) << "the end of what is old";
  EXPECT_EQ(cache.find(0, page(1)).id, old[0]);
  EXPECT_TRUE(cache.evict());
  EXPECT_EQ(cache.find(0, page(1)).id, 0U);
  EXPECT_EQ(cache.find(0, page(4)).id, recent[0]);
  EXPECT_TRUE(cache.evict());
  EXPECT_FALSE(cache.evict()) << "the last one is in use";
  EXPECT_EQ(cache.find(0, page(3)).id, in_use);
  cache.clear();
  EXPECT_EQ(cache.size(), 0U);
}

TEST(TokenChoice, UndoesPenalties) {
  const SamplingOptions sampling{
      .repeat_penalty = 1.25F, .presence_penalty = 0.5F, .frequency_penalty = 0.25F, .penalty_window = 3};
  // Logits 2, -1, 3 and 0.5; token 0 is beyond the window, token 1 stands in it twice, token 2 once.
  std::vector<float> logits = {2, -1 * 1.25F - 1, 3 / 1.25F - 0.75F, 0.5F};
  undo_penalties(logits, sampling, std::vector<Token>{0, 1, 2, 1});
  EXPECT_THAT(logits, ::testing::Pointwise(::testing::FloatNear(1e-6F), {2.F, -1.F, 3.F, 0.5F}));
  const TokenChoice choice = choice_of(logits, 0, 2);
  const double sum = std::exp(2.) + std::exp(-1.) + std::exp(3.) + std::exp(.5);
  EXPECT_NEAR(choice.drawn.logprob, 2 - std::log(sum), 1e-5);
  ASSERT_EQ(choice.top.size(), 2U);
  EXPECT_EQ(choice.top[0].token, 2);
  EXPECT_EQ(choice.top[1].token, 0);
}

}  // namespace
}  // namespace caldera::engine
