// Sessions that begin with the same tokens share pages, and neither hears of the other.
#include "recovery/lost_device.hpp"

namespace caldera::test {
namespace {

class SharedPrefix : public LostDevice {
 protected:
  /// 150 tokens, then another for each session.
  static std::vector<Token> begun_alike(Token last) {
    std::vector<Token> tokens = prompt(150);
    tokens.push_back(last);
    return tokens;
  }
};

constexpr uint32_t kShared = 128;  ///< whole pages of 150 tokens

TEST_F(SharedPrefix, IsComputedOnce) {
  const auto model = loaded();
  std::vector<Generation> whole;
  for (const Token last : {1, 2, 3}) {
    Session session(model);
    session.append(begun_alike(last));
    whole.push_back(session.generate(varied(60)));
  }
  std::vector<Session> sessions;
  for (int i = 0; i < 3; ++i) sessions.emplace_back(model);
  std::vector<GenerateRequest> requests;
  for (Token i = 0; i < 3; ++i) {
    sessions[i].append(begun_alike(i + 1));
    requests.push_back({&sessions[i], varied(60)});
  }
  const std::vector<Generation> together = generate(requests);
  for (size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(together[i].tokens, whole[i].tokens);
    EXPECT_EQ(together[i].reused_tokens, i == 0 ? 0 : kShared);
  }
  const uint64_t page = model->memory().kv_limit / 3 / 4;
  EXPECT_EQ(model->memory().kv, (4 + 2 + 2) * page) << "of 210 tokens each";
  // Who changes what is shared computes a page of its own.
  sessions[0].truncate(100);
  sessions[0].append(begun_alike(9));
  sessions[0].generate(varied(2));
  sessions[2].append(std::vector<Token>{5});
  sessions[1].append(std::vector<Token>{5});
  const Generation second = sessions[1].generate(varied(6));
  std::vector<Token> all = begun_alike(2);
  all.insert(all.end(), whole[1].tokens.begin(), whole[1].tokens.end());
  all.push_back(5);
  sessions.clear();
  Session fresh(model);
  fresh.append(all);
  EXPECT_EQ(fresh.generate(varied(6)).tokens, second.tokens);
  expect_valid(*model);
}

TEST_F(SharedPrefix, SurvivesALossAndAShift) {
  LoadOptions keeping = options();
  keeping.keep_kv = true;
  const auto model = load(file_, keeping);
  const auto whole_of = [&](Token last) {
    Session session(model);
    session.append(begun_alike(last));
    GenerateOptions shifting = varied(120);
    shifting.context_end = ContextEnd::kShift;
    return session.generate(shifting).tokens;
  };
  const std::vector<Token> first_whole = whole_of(1);
  const std::vector<Token> second_whole = whole_of(2);
  Session first(model);
  first.append(begun_alike(1));
  first.generate(varied(1));
  Session second(model);
  second.append(begun_alike(2));
  EXPECT_EQ(second.generate(varied(1)).reused_tokens, kShared);
  const uint64_t kept = model->memory().kept_kv;
  const uint64_t before = model->memory().kv;
  simulated_->lose_device(LossPoint::kSubmission, 1);
  GenerateOptions shifting = varied(119);
  shifting.context_end = ContextEnd::kShift;
  const Generation rest = second.generate(shifting);
  EXPECT_EQ(losses(), 1U);
  EXPECT_GT(rest.dropped_tokens, 0U);
  EXPECT_TRUE(std::ranges::equal(rest.tokens, std::span(second_whole).subspan(1)));
  EXPECT_EQ(kept, before) << "the two shared pages once, and the last of each session";
  const Generation other = first.generate(shifting);
  EXPECT_TRUE(std::ranges::equal(other.tokens, std::span(first_whole).subspan(1)));
  expect_valid(*model);
}

}  // namespace
}  // namespace caldera::test
