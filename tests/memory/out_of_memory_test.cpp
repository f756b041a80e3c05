// Memory that is refused while a model runs or loads: the request ends, the session and the process go on,
// and nothing stays behind.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <numeric>
#include <string>
#include <vector>

#include "caldera/caldera.hpp"
#include "engine/models.hpp"
#include "gguf/temporary_folder.hpp"
#include "memory/process_memory.hpp"
#include "memory/synthetic_file.hpp"
#include "memory/varied.hpp"
#include "simulated/simulated_device.hpp"

namespace caldera::test {
namespace {

using ::testing::HasSubstr;

constexpr uint64_t kMiB = uint64_t{1} << 20;
constexpr uint32_t kContext = kLargePages.context;
constexpr uint64_t kPage = 2 * kMiB;
constexpr uint32_t kPageTokens = 64;

std::vector<Token> prompt(uint32_t length, Token first = 10) {
  std::vector<Token> tokens(length);
  for (uint32_t i = 0; i < length; ++i) tokens[i] = (first + static_cast<Token>(i * i)) % 256;
  return tokens;
}

/// A device on which every page is an allocation of its own, and a model for two sessions.
class OutOfMemory : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    folder_ = std::make_unique<gguf::TemporaryFolder>();
    file_ = write_synthetic(kLargePages, folder_->path() / "large-pages.gguf");
    SimulatedOptions options;
    options.scale = "total:48MiB";
    options.as_cpu = true;
    simulated_ = std::make_unique<SimulatedDevice>("strix-halo-128-linux", options);
    model_ = Model::load(file_, {.context = kContext, .sequences = 2});
  }
  static void TearDownTestSuite() {
    model_.reset();
    EXPECT_EQ(simulated_->live_allocations(), 0U);
    simulated_.reset();
    folder_.reset();
  }

  void SetUp() override { before_ = model_->memory(); }
  void TearDown() override {
    simulated_->reset();
    const MemoryUse after = model_->memory();
    EXPECT_EQ(after.kv, 0U);
    EXPECT_EQ(after.total(), before_.total());
    ASSERT_EQ(after.heaps.size(), before_.heaps.size());
    for (size_t i = 0; i < after.heaps.size(); ++i) {
      EXPECT_EQ(after.heaps[i].reserved, before_.heaps[i].reserved) << "heap " << after.heaps[i].heap;
    }
  }

  /// What a session of its own says after a prompt.
  static Generation alone(const std::vector<Token>& tokens, uint32_t count) {
    Session session(model_);
    session.append(tokens);
    return session.generate(varied(count));
  }

  /// Nothing more, from now on.
  static void shrink_budgets() {
    for (uint32_t heap = 0; heap < simulated_->topology().heaps.size(); ++heap)
      simulated_->set_budget(heap, kMiB);
  }

  static void expect_refused(const Generation& refused) {
    EXPECT_EQ(refused.reason, StopReason::kOutOfMemory);
    EXPECT_THAT(refused.error, HasSubstr("a page of KV memory needs 2.0 MiB"));
    EXPECT_EQ(refused.error.find('\n'), std::string::npos) << refused.error;
  }

  static std::unique_ptr<gguf::TemporaryFolder> folder_;
  static std::filesystem::path file_;
  static std::unique_ptr<SimulatedDevice> simulated_;
  static std::shared_ptr<Model> model_;
  MemoryUse before_;
};

std::unique_ptr<gguf::TemporaryFolder> OutOfMemory::folder_;
std::filesystem::path OutOfMemory::file_;
std::unique_ptr<SimulatedDevice> OutOfMemory::simulated_;
std::shared_ptr<Model> OutOfMemory::model_;

std::vector<Token> joined(std::vector<Token> first, const std::vector<Token>& second) {
  first.insert(first.end(), second.begin(), second.end());
  return first;
}

TEST_F(OutOfMemory, ABudgetThatShrinksEndsTheAnswerAndTheConversationGoesOn) {
  const std::vector<Token> first = prompt(20);
  const std::vector<Token> second = prompt(30, 99);
  Generation whole_answer;
  Generation whole_second;
  {
    Session session(model_);
    session.append(first);
    whole_answer = session.generate(varied(100));
    session.append(second);
    whole_second = session.generate(varied(60));
  }
  Session session(model_);
  session.append(first);
  GenerateOptions options = varied(100);
  size_t characters = 0;
  options.on_text = [&](std::string_view text) {
    characters += text.size();
    if (characters > 10) shrink_budgets();
    return true;
  };
  const Generation refused = session.generate(options);
  expect_refused(refused);
  ASSERT_EQ(refused.tokens.size(), kPageTokens - first.size()) << "to the end of its page";
  EXPECT_EQ(whole_answer.text.substr(0, refused.text.size()), refused.text);
  EXPECT_EQ(model_->memory().kv, kPage);

  // Asked again at once, it is refused again, and keeps what it has.
  const Generation again = session.generate(varied(1));
  expect_refused(again);
  EXPECT_TRUE(again.tokens.empty());

  simulated_->reset();
  const auto left = static_cast<uint32_t>(100 - refused.tokens.size());
  const Generation rest = session.generate(varied(left));
  EXPECT_EQ(joined(refused.tokens, rest.tokens), whole_answer.tokens);
  EXPECT_EQ(refused.text + rest.text, whole_answer.text);
  session.append(second);
  EXPECT_EQ(session.generate(varied(60)).text, whole_second.text);
}

TEST_F(OutOfMemory, APromptIsRefusedAtAnyOfItsPages) {
  const std::vector<Token> tokens = prompt(150);
  const Generation whole = alone(tokens, 4);
  for (uint64_t nth = 1; nth <= 3; ++nth) {
    SCOPED_TRACE(nth);
    Session session(model_);
    session.append(tokens);
    simulated_->refuse_allocation(nth, UINT64_MAX);
    const Generation refused = session.generate(varied(4));
    expect_refused(refused);
    EXPECT_EQ(refused.text, "");
    EXPECT_EQ(model_->memory().kv, 0U) << "pages that were taken for it are of use to others";
    EXPECT_EQ(session.tokens().size(), tokens.size());
    simulated_->reset();
    EXPECT_EQ(session.generate(varied(4)).text, whole.text);
  }
}

TEST_F(OutOfMemory, DecodingIsRefusedAtAnyPage) {
  const std::vector<Token> tokens = prompt(10);
  const Generation whole = alone(tokens, 130);
  ASSERT_EQ(whole.tokens.size(), 130U);
  for (uint64_t nth = 2; nth <= 3; ++nth) {
    SCOPED_TRACE(nth);
    Session session(model_);
    session.append(tokens);
    simulated_->refuse_allocation(nth, UINT64_MAX);
    const Generation refused = session.generate(varied(130));
    expect_refused(refused);
    EXPECT_EQ(refused.tokens.size(), (nth - 1) * kPageTokens - tokens.size());
    EXPECT_EQ(model_->memory().kv, (nth - 1) * kPage);
    simulated_->reset();
    const Generation rest = session.generate(varied(static_cast<uint32_t>(130 - refused.tokens.size())));
    EXPECT_EQ(joined(refused.tokens, rest.tokens), whole.tokens);
  }
}

TEST_F(OutOfMemory, OneRefusalIsPassedOver) {
  const std::vector<Token> tokens = prompt(50);
  const Generation whole = alone(tokens, 20);
  for (uint64_t nth = 1; nth <= 2; ++nth) {
    simulated_->refuse_allocation(nth);
    const Generation generation = alone(tokens, 20);
    EXPECT_EQ(generation.reason, StopReason::kMaxTokens) << "another heap or a smaller chunk will do";
    EXPECT_EQ(generation.text, whole.text);
  }
}

TEST_F(OutOfMemory, LogitsAreAnErrorAndTheSessionGoesOn) {
  const std::vector<Token> tokens = prompt(150);
  std::vector<float> expected;
  {
    Session session(model_);
    session.append(tokens);
    expected = session.logits();
  }
  for (uint64_t nth = 1; nth <= 3; ++nth) {
    Session session(model_);
    session.append(tokens);
    simulated_->refuse_allocation(nth, UINT64_MAX);
    try {
      session.logits();
      ADD_FAILURE() << "its pages were refused";
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::kMemory);
    }
    simulated_->reset();
    EXPECT_EQ(session.logits(), expected);
  }
}

TEST_F(OutOfMemory, OfTwoSequencesOnlyTheRefusedEnds) {
  const std::vector<Token> shorter = prompt(10);
  const std::vector<Token> longer = prompt(50, 77);
  const Generation shorter_alone = alone(shorter, 50);
  const Generation longer_alone = alone(longer, 40);
  Session one(model_);
  Session two(model_);
  one.append(shorter);
  two.append(longer);
  GenerateRequest requests[] = {{&one, varied(50)}, {&two, varied(40)}};
  requests[0].options.on_text = [&](std::string_view) {
    shrink_budgets();
    return true;
  };
  const std::vector<Generation> both = generate(requests);
  EXPECT_EQ(both[0].reason, StopReason::kMaxTokens);
  EXPECT_EQ(both[0].text, shorter_alone.text);
  expect_refused(both[1]);
  EXPECT_EQ(both[1].tokens.size(), kPageTokens - longer.size());
  EXPECT_EQ(longer_alone.text.substr(0, both[1].text.size()), both[1].text);
  simulated_->reset();
  const Generation rest = two.generate(varied(static_cast<uint32_t>(40 - both[1].tokens.size())));
  EXPECT_EQ(both[1].text + rest.text, longer_alone.text);
}

TEST_F(OutOfMemory, OfTwoPromptsOnlyTheRefusedEnds) {
  const std::vector<Token> tokens = prompt(30);
  const Generation whole = alone(tokens, 8);
  for (size_t refused = 0; refused < 2; ++refused) {
    Session one(model_);
    Session two(model_);
    one.append(refused == 0 ? prompt(250) : tokens);
    two.append(refused == 0 ? tokens : prompt(250));
    // The long one needs four pages. Where it comes first, what it took is given back too late for this call.
    simulated_->refuse_allocation(3, UINT64_MAX);
    GenerateRequest requests[] = {{&one, varied(8)}, {&two, varied(8)}};
    const std::vector<Generation> both = generate(requests);
    expect_refused(both[refused]);
    EXPECT_EQ(both[refused].text, "");
    if (refused == 1) {
      EXPECT_EQ(both[0].text, whole.text);
    }
    simulated_->reset();
    EXPECT_EQ((refused == 0 ? two : one).tokens().size() > tokens.size(), refused == 1);
    for (Session* session : {&one, &two}) {
      session->assign(tokens);
      EXPECT_EQ(session->generate(varied(8)).text, whole.text);
    }
  }
}

TEST_F(OutOfMemory, MemoryThatComesBackIsUsedInTheSameCall) {
  const std::vector<Token> tokens = prompt(30);
  const Generation whole = alone(tokens, 60);
  Session session(model_);
  session.append(tokens);
  GenerateOptions options = varied(60);
  size_t calls = 0;
  options.on_text = [&](std::string_view) {
    if (++calls == 2) shrink_budgets();
    if (calls == 20) simulated_->reset();
    return true;
  };
  const Generation generation = session.generate(options);
  EXPECT_EQ(generation.reason, StopReason::kMaxTokens);
  EXPECT_EQ(generation.text, whole.text);
}

TEST_F(OutOfMemory, AContextGrowsToItsEnd) {
  const std::vector<Token> tokens = prompt(10);
  Session session(model_);
  session.append(tokens);
  const Generation full = session.generate(varied(0));
  EXPECT_EQ(full.reason, StopReason::kContextFull);
  EXPECT_EQ(session.tokens().size(), kContext);
  const MemoryUse use = model_->memory();
  EXPECT_EQ(use.kv, kContext / kPageTokens * kPage);
  EXPECT_EQ(use.kv, use.kv_limit / 2) << "two sessions could be full";
  try {
    session.generate(varied(1));
    ADD_FAILURE() << "there is no room for a token";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kContext);
  }
  session.truncate(static_cast<uint32_t>(tokens.size()));
  EXPECT_EQ(model_->memory().kv, kPage);
  const Generation again = session.generate(varied(100));
  EXPECT_EQ(full.text.substr(0, again.text.size()), again.text);
}

/// Loading, refused.
class LoadRefused : public ::testing::Test {
 protected:
  static std::string first_text(const std::shared_ptr<Model>& model) {
    Session session(model);
    session.append(prompt(5));
    return session.generate(varied(4)).text;
  }
};

TEST_F(LoadRefused, AtAnyAllocationLeavesNothingAndLoadsLater) {
  SimulatedOptions options;
  options.scale = "total:512MiB";
  options.as_cpu = true;
  SimulatedDevice simulated("strix-halo-128-windows-96-split", options);
  const LoadOptions load{.context = 64};
  const std::string expected = first_text(Model::load(many_layers_file(), load));
  ASSERT_EQ(simulated.live_allocations(), 0U);
  // As many as loading asks for; the page of the conversation comes after them.
  simulated.reset();
  Model::load(many_layers_file(), load).reset();
  const uint64_t allocations = simulated.total_allocations();
  ASSERT_GE(allocations, 4U);
  for (uint64_t nth = 1; nth <= allocations; ++nth) {
    SCOPED_TRACE(nth);
    simulated.reset();
    simulated.refuse_allocation(nth, UINT64_MAX);
    try {
      Model::load(many_layers_file(), load);
      ADD_FAILURE() << "its memory was refused";
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::kMemory);
      EXPECT_EQ(std::string(error.what()).find('\n'), std::string::npos) << error.what();
    }
    EXPECT_EQ(simulated.live_allocations(), 0U);
  }
  simulated.reset();
  EXPECT_EQ(first_text(Model::load(many_layers_file(), load)), expected);
  EXPECT_EQ(simulated.live_allocations(), 0U);
}

TEST_F(LoadRefused, AHundredLoadsTakeNoMoreThanTheFirst) {
  SimulatedOptions options;
  options.as_cpu = true;
  const SimulatedDevice simulated("flow-z13-linux-gtt96", options);
  const auto cycle = [&] {
    Model::load(data("tiny_llama3.gguf"), {.context = 64}).reset();
    ASSERT_EQ(simulated.live_allocations(), 0U);
  };
  for (int i = 0; i < 10; ++i) cycle();
  const ProcessMemory before = process_memory();
  const size_t descriptors = open_descriptors();
  const size_t threads = running_threads();
  for (int i = 0; i < 90; ++i) cycle();
  // Drivers keep a little of every device; that of a hundred would show.
  EXPECT_LT(process_memory().anonymous, before.anonymous + 16 * kMiB);
  EXPECT_EQ(open_descriptors(), descriptors);
  EXPECT_EQ(running_threads(), threads);
  std::printf("after 10 loads %llu MiB, after 100 %llu MiB\n",
              static_cast<unsigned long long>(before.anonymous / kMiB),
              static_cast<unsigned long long>(process_memory().anonymous / kMiB));
}

}  // namespace
}  // namespace caldera::test
