// Sessions and generation: the same result however the work is cut, side by side, seeds, stops, limits.
#include <gmock/gmock.h>

#include "engine/divergence.hpp"
#include "engine/models.hpp"
#include "engine/stop_strings.hpp"

namespace caldera::test {
namespace {

using testing::ElementsAreArray;
using testing::HasSubstr;

std::vector<Token> ids_of(const Model& model, const std::string& text) {
  return model.tokenize(text, true, true);
}

const std::string kStory =
    "The lighthouse keeper counted the ships each evening. On Monday there were seven, on Tuesday nine, and "
    "on "
    "Wednesday a storm came and there were none. He wrote the numbers into a book bound in green cloth, and "
    "beside "
    "each number the direction of the wind, and the name of every captain he knew.";

TEST(Generation, PrefillInOneBatchInChunksAndTokenByTokenAgree) {
  const auto& one_batch = shared_smollm2();
  const auto chunks = load(smollm2(), {.context = 512, .prefill_rows = 19});
  const std::vector<Token> ids = ids_of(*one_batch, kStory);
  ASSERT_GT(ids.size(), 40U);

  Session whole(one_batch);
  whole.append(ids);
  const std::vector<float> reference = whole.logits();
  Session cut(chunks);
  cut.append(ids);
  EXPECT_LT(divergence(reference, cut.logits()), 1e-5);
  Session single(one_batch);
  std::vector<float> last;
  for (const Token id : ids) {
    single.append({{id}});
    last = single.logits();
  }
  EXPECT_LT(divergence(reference, last), 1e-5);
  expect_valid(*one_batch);
  expect_valid(*chunks);
}

TEST(Generation, SessionsSideBySideGiveWhatTheyGiveAlone) {
  const auto& model = shared_smollm2();
  const std::vector<std::string> prompts = {"The capital of Sweden is", kStory, "1, 2, 3, 4,"};
  std::vector<std::vector<Token>> alone;
  for (const std::string& prompt : prompts) {
    Session session(model);
    session.append(ids_of(*model, prompt));
    alone.push_back(session.generate(greedy(24)).tokens);
  }
  std::vector<Session> sessions;
  std::vector<GenerateRequest> requests;
  for (const std::string& prompt : prompts) {
    sessions.emplace_back(model);
    sessions.back().append(ids_of(*model, prompt));
  }
  // Different lengths, so that some leave while the others go on.
  const uint32_t lengths[] = {24, 5, 17};
  for (size_t i = 0; i < sessions.size(); ++i) requests.push_back({&sessions[i], greedy(lengths[i])});
  const std::vector<Generation> together = generate(requests);
  for (size_t i = 0; i < sessions.size(); ++i) {
    EXPECT_THAT(together[i].tokens, ElementsAreArray(std::span(alone[i]).first(lengths[i]))) << prompts[i];
  }
  EXPECT_THROW(Session{model}, Error) << "only three sessions were asked for";
  expect_valid(*model);
}

TEST(Generation, TheSameSeedGivesTheSameText) {
  const auto& model = shared_smollm2();
  GenerateOptions options;
  options.sampling.temperature = 1.2F;
  options.sampling.repeat_penalty = 1.1F;
  options.sampling.seed = 7;
  options.max_tokens = 20;
  options.ignore_end = true;
  const auto run = [&](uint64_t seed) {
    Session session(model);
    session.append(ids_of(*model, "Once upon a time"));
    options.sampling.seed = seed;
    return session.generate(options).tokens;
  };
  const std::vector<Token> first = run(7);
  EXPECT_EQ(first, run(7));
  EXPECT_NE(first, run(8));
}

TEST(Generation, GoesOnAfterTruncationAsIfNothingHadBeenThere) {
  const auto& model = shared_smollm2();
  const std::vector<Token> ids = ids_of(*model, kStory);
  Session session(model);
  session.append(ids);
  const std::vector<Token> first = session.generate(greedy(12)).tokens;
  EXPECT_EQ(session.tokens().size(), ids.size() + 12);
  session.generate(greedy(70));  // over a page's edge
  EXPECT_EQ(session.assign(ids), ids.size());
  const Generation again = session.generate(greedy(12));
  EXPECT_EQ(again.tokens, first);
  EXPECT_EQ(again.reused_tokens, ids.size() - 1);
  EXPECT_EQ(again.prompt_tokens, 1U);
}

TEST(Generation, GoesOnInTheMiddleOfAPageOfBlocks) {
  const auto model =
      load(data("tiny_llama3.gguf"),
           {.sequences = 3, .kv = {KvFormat::kQ4_0, KvFormat::kQ8_0}, .arithmetic = Arithmetic::kInt8});
  std::vector<Token> ids(100);
  for (size_t i = 0; i < ids.size(); ++i) ids[i] = static_cast<Token>(i * 7 % 250);
  Session fresh(model);
  fresh.append(std::span(ids).first(70));
  const std::vector<Token> expected = fresh.generate(greedy(8)).tokens;

  Session truncated(model);
  truncated.append(ids);
  truncated.generate(greedy(40));  // over a page's edge
  truncated.truncate(70);
  EXPECT_EQ(truncated.generate(greedy(8)).tokens, expected);
  EXPECT_LT(divergence(fresh.logits(), truncated.logits()), 1e-6);

  // What steps have stored is what reading the same tokens stores, but for what rounding activations does.
  Session read(model);
  read.append(fresh.tokens());
  EXPECT_LT(divergence(read.logits(), fresh.logits()), 1e-3);
  expect_valid(*model);
}

TEST(Generation, StopsAtStringsWhichAreNotPartOfTheText) {
  const auto& model = shared_smollm2();
  GenerateOptions options = greedy(40);
  options.stop = {", 8"};
  std::string streamed;
  options.on_text = [&](std::string_view text) {
    streamed += text;
    return true;
  };
  Session session(model);
  session.append(ids_of(*model, "1, 2, 3, 4, 5,"));
  const Generation answer = session.generate(options);
  EXPECT_EQ(answer.reason, StopReason::kStopString);
  EXPECT_EQ(answer.text, " 6, 7");
  EXPECT_EQ(streamed, answer.text);
}

TEST(Generation, EndsAtTheModelsEndTokenUnlessToldToIgnoreIt) {
  const auto& model = shared_smollm2();
  const std::string prompt =
      model->apply_chat_template(std::vector<Message>{{"user", "What is the capital of France?"}});
  GenerateOptions options = greedy(40);
  options.ignore_end = false;
  Session session(model);
  session.append(ids_of(*model, prompt));
  const Generation answer = session.generate(options);
  EXPECT_EQ(answer.reason, StopReason::kEnd);
  EXPECT_EQ(answer.text, "The capital of France is Paris.");
  session.assign(ids_of(*model, prompt));
  EXPECT_EQ(session.generate(greedy(40)).tokens.size(), 40U);
}

TEST(Generation, IsCancelledByItsCallbacks) {
  const auto& model = shared_smollm2();
  GenerateOptions options = greedy(40);
  int pieces = 0;
  options.on_text = [&](std::string_view) { return ++pieces < 3; };
  Session session(model);
  session.append(ids_of(*model, kStory));
  EXPECT_EQ(session.generate(options).reason, StopReason::kCancelled);
  EXPECT_EQ(pieces, 3);
  options.on_text = nullptr;
  options.on_prompt = [](uint32_t, uint32_t) { return false; };
  session.truncate(0);
  session.append(ids_of(*model, kStory));
  const Generation cancelled = session.generate(options);
  EXPECT_EQ(cancelled.reason, StopReason::kCancelled);
  EXPECT_TRUE(cancelled.tokens.empty());
  EXPECT_EQ(cancelled.prompt_tokens, 0U) << "nothing was read";
}

TEST(Generation, APromptCancelledBesideOthersGoesOnUndamaged) {
  const auto model = load(data("tiny_llama3.gguf"), {.context = 128, .sequences = 2, .prefill_rows = 16});
  std::vector<Token> ids;
  for (Token id = 60; id < 100; ++id) ids.push_back(id);
  Session cancelled(model);
  cancelled.append(ids);
  Session other(model);
  other.append({{65}});
  const std::vector<float> expected = cancelled.logits();

  for (const uint32_t stay : {0U, 16U}) {
    cancelled.truncate(20);  // what is kept must outlive the steps of the other sequence
    cancelled.append(std::span(ids).subspan(20));
    std::vector<GenerateRequest> requests{{&cancelled, greedy(4)}, {&other, greedy(4)}};
    requests[0].options.on_prompt = [&](uint32_t done, uint32_t) { return done < stay; };
    const std::vector<Generation> results = generate(requests);
    EXPECT_EQ(results[0].reason, StopReason::kCancelled);
    EXPECT_EQ(results[1].tokens.size(), 4U);
    EXPECT_LT(divergence(expected, cancelled.logits()), 1e-9);
  }
  expect_valid(*model);
}

TEST(Generation, StopsWhenTheContextIsFullAndRefusesWhatDoesNotFit) {
  const auto model = load(data("tiny_llama3.gguf"), {.context = 64, .sequences = 2});
  const std::vector<Token> ids(50, 65);
  Session session(model);
  session.append(ids);
  const Generation answer = session.generate(greedy(0));
  EXPECT_EQ(answer.reason, StopReason::kContextFull);
  EXPECT_EQ(session.tokens().size(), 64U);
  try {
    session.append(ids);
    FAIL() << "64 + 50 tokens fit 64";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kContext);
    EXPECT_THAT(error.what(), HasSubstr("the prompt is 114 tokens, 50 more than the context of 64 holds"));
  }
  EXPECT_THROW(session.generate(greedy(1)), Error);

  // Two sequences of different lengths run into the edge at different steps.
  session.truncate(60);
  Session other(model);
  other.append(std::vector<Token>(20, 66));
  std::vector<GenerateRequest> requests{{&session, greedy(0)}, {&other, greedy(0)}};
  for (const Generation& result : generate(requests)) EXPECT_EQ(result.reason, StopReason::kContextFull);
  EXPECT_EQ(session.tokens().size(), 64U);
  EXPECT_EQ(other.tokens().size(), 64U);
  expect_valid(*model);
}

TEST(Generation, RefusesImpossibleOptions) {
  const auto model = load(data("tiny_qwen3.gguf"));
  Session session(model);
  EXPECT_THROW(session.generate({}), Error);  // nothing to go on from
  EXPECT_THROW(session.append({{-1}}), Error);
  EXPECT_THROW(session.append({{1 << 20}}), Error);
  session.append({{65}});
  for (const auto& change : std::initializer_list<void (*)(SamplingOptions&)>{
           [](SamplingOptions& s) { s.temperature = -1; }, [](SamplingOptions& s) { s.temperature = NAN; },
           [](SamplingOptions& s) { s.top_p = 0; }, [](SamplingOptions& s) { s.top_p = 1.5F; },
           [](SamplingOptions& s) { s.min_p = -0.1F; }, [](SamplingOptions& s) { s.top_k = 5000; },
           [](SamplingOptions& s) { s.repeat_penalty = 0; }}) {
    GenerateOptions options;
    change(options.sampling);
    EXPECT_THROW(session.generate(options), Error);
  }
}

TEST(Generation, ReportsMemoryAndTheShapeOfAStep) {
  const auto& model = shared_smollm2();
  const MemoryUse memory = model->memory();
  EXPECT_LT(static_cast<double>(memory.total() - memory.kv),
            1.3 * static_cast<double>(model->info().file_bytes));
  const StepShape shape = model->decode_shape();
  EXPECT_EQ(shape.dispatches, 1 + 30 * 8 + 3);
  EXPECT_LE(shape.barriers, shape.dispatches + 1);
}

TEST(StopStrings, HoldBackWhatMayBeginOne) {
  engine::StopStrings stops({"<end>", "\n\n"});
  EXPECT_EQ(stops.push("a<"), "a");
  EXPECT_EQ(stops.push("en"), "");
  EXPECT_EQ(stops.push("x\n"), "<enx");
  EXPECT_EQ(stops.push("b"), "\nb");
  EXPECT_FALSE(stops.found());
  EXPECT_EQ(stops.push("c<end>d"), "c");
  EXPECT_TRUE(stops.found());
  EXPECT_EQ(stops.push("more"), "");
  EXPECT_EQ(stops.finish(), "");
}

TEST(StopStrings, GiveTheHeldTextAtTheEnd) {
  engine::StopStrings stops({"<end>", ""});
  EXPECT_EQ(stops.push("a<e"), "a");
  EXPECT_EQ(stops.finish(), "<e");
}

}  // namespace
}  // namespace caldera::test
