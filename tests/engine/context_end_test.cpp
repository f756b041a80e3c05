// What happens when the context is full. Of a model of one layer, keys and values depend on their token and
// position alone: there a sequence whose tokens were moved must be as one that was read at the new positions.
#include <gtest/gtest.h>

#include <numeric>

#include "caldera/error.hpp"
#include "engine/context_shift.hpp"
#include "engine/divergence.hpp"
#include "engine/models.hpp"
#include "model/tiny_model.hpp"

namespace caldera::test {
namespace {

using engine::ContextShift;
using model::TinyModel;

/// Tokens that do not repeat within a page.
std::vector<Token> some_tokens(size_t count, uint32_t vocabulary) {
  std::vector<Token> tokens(count);
  for (size_t i = 0; i < count; ++i) tokens[i] = static_cast<Token>((i * 7 + i / 64 * 3 + 1) % vocabulary);
  return tokens;
}

TinyModel one_layer(const std::string& architecture) {
  TinyModel tiny(architecture);
  tiny.key("block_count", 1U);
  std::erase_if(tiny.tensors, [](const auto& entry) { return entry.first.starts_with("blk.1."); });
  if (architecture == "qwen2") {
    tiny.tensors["blk.0.attn_q.bias"] = {quant::Format::kF32, {64}};
    tiny.tensors["blk.0.attn_k.bias"] = {quant::Format::kF32, {32}};
    tiny.tensors["blk.0.attn_v.bias"] = {quant::Format::kF32, {32}};
  }
  // Weights around zero, or every token would look alike.
  for (const auto& [name, tensor] : tiny.tensors) {
    if (name.find("norm") != std::string::npos) continue;
    std::vector<float> values = tiny.values(name);
    for (float& value : values) value = (value - 1) * 0.5F;
    tiny.fixed[name] = values;
  }
  return tiny;
}

void expect_moved_as_read(const TinyModel& tiny, bool one_by_one) {
  const gguf::File file = tiny.open();
  LoadOptions options{.context = 512, .sequences = 2, .validation = true};
  if (one_by_one) options.prefill_rows = 1;
  engine::Engine engine(file, model::read_spec(file), options);
  const std::vector<Token> tokens = some_tokens(301, 48);
  const uint32_t moved = engine.open_slot();
  engine.slot(moved).tokens = tokens;
  engine.slot(moved).tokens.pop_back();
  engine.read(moved, false, {});
  engine.drop(moved, {64, 128});
  EXPECT_EQ(engine.slot(moved).computed, 300U - 128);
  engine.slot(moved).tokens.push_back(tokens.back());

  const uint32_t fresh = engine.open_slot();
  engine.slot(fresh).tokens.assign(tokens.begin(), tokens.begin() + 64);
  engine.slot(fresh).tokens.insert(engine.slot(fresh).tokens.end(), tokens.begin() + 192, tokens.end());
  ASSERT_EQ(engine.slot(fresh).tokens, engine.slot(moved).tokens);
  const std::vector<float> expected = engine.logits_from(fresh, 172);
  const std::vector<float> got = engine.logits_from(moved, 172);
  ASSERT_EQ(got.size(), expected.size());
  EXPECT_LT(divergence(expected, got), 1e-6);
  for (size_t i = 0; i < got.size(); ++i) ASSERT_NEAR(got[i], expected[i], 0.02) << i;
  EXPECT_TRUE(engine.validation_messages().empty()) << engine.validation_messages()[0];
}

TEST(ContextShiftTest, WhatIsKeptAndDropped) {
  EXPECT_EQ(engine::kept_tokens(0), 0U);
  EXPECT_EQ(engine::kept_tokens(1), 64U);
  EXPECT_EQ(engine::kept_tokens(64), 64U);
  EXPECT_EQ(engine::kept_tokens(65), 128U);
  EXPECT_EQ(engine::least_shifting_context(4), 192U);
  EXPECT_GT(engine::least_shifting_context(UINT32_MAX), 1U << 30);
  EXPECT_EQ(engine::next_shift(8192, 64).dropped, 31 * 64U);
  EXPECT_EQ(engine::next_shift(192, 64).dropped, 64U);
  EXPECT_EQ(engine::next_shift(191, 64).dropped, 0U);
  EXPECT_EQ(engine::next_shift(10, 64).dropped, 0U);
}

TEST(ContextShiftTest, MovedTokensAreAsReadThere) {
  expect_moved_as_read(one_layer("qwen2"), false);
  TinyModel yarn = one_layer("qwen2");
  yarn.key("rope.scaling.type", "yarn");
  yarn.key("rope.scaling.factor", 8.0F);
  yarn.key("rope.scaling.original_context_length", 64U);
  expect_moved_as_read(yarn, false);
  TinyModel linear = one_layer("llama");
  linear.key("rope.scaling.type", "linear");
  linear.key("rope.scaling.factor", 4.0F);
  linear.key("rope.dimension_count", 8U);
  expect_moved_as_read(linear, true);
}

TEST(ContextShiftTest, WhatIsNotComputedIsDroppedToo) {
  const gguf::File file = one_layer("llama").open();
  engine::Engine engine(file, model::read_spec(file), {.context = 512, .validation = true});
  const uint32_t slot = engine.open_slot();
  engine.slot(slot).tokens = some_tokens(100, 48);
  engine.read(slot, false, {});
  const std::vector<Token> more = some_tokens(200, 48);
  engine.slot(slot).tokens.insert(engine.slot(slot).tokens.end(), more.begin(), more.end());
  engine.drop(slot, {64, 64});
  EXPECT_EQ(engine.slot(slot).computed, 64U);
  EXPECT_EQ(engine.slot(slot).tokens.size(), 236U);
  EXPECT_TRUE(engine.read(slot, false, {}));
}

const std::shared_ptr<Model>& tiny() {
  static const std::shared_ptr<Model> model =
      load(data("tiny_qwen2_yarn.gguf"), {.context = 256, .sequences = 3});
  return model;
}

GenerateOptions shifting(uint32_t tokens) {
  GenerateOptions options = greedy(tokens);
  options.context_end = ContextEnd::kShift;
  return options;
}

std::vector<Token> prompt(size_t tokens) {
  return some_tokens(tokens, tiny()->info().vocabulary);
}

TEST(ContextEndTest, GoesOnForManyContexts) {
  GenerateOptions options = shifting(700);
  options.sampling = {.temperature = 1, .presence_penalty = 100, .penalty_window = 12, .seed = 5};
  std::string streamed;
  options.on_text = [&](std::string_view text) {
    streamed += text;
    return true;
  };
  std::vector<Token> first;
  for (int run = 0; run < 2; ++run) {
    Session session(tiny());
    session.append(prompt(100));
    streamed.clear();
    const Generation generation = session.generate(options);
    EXPECT_EQ(generation.reason, StopReason::kMaxTokens);
    ASSERT_EQ(generation.tokens.size(), 700U);
    EXPECT_EQ(generation.text, streamed);
    EXPECT_EQ(generation.dropped_tokens + session.tokens().size(), 800U);
    EXPECT_LE(session.tokens().size(), 256U);
    // The window moves with the tokens: nothing comes again within it.
    for (size_t i = 0; i < generation.tokens.size(); ++i) {
      const auto begin = generation.tokens.begin() + static_cast<ptrdiff_t>(i - std::min<size_t>(i, 12));
      const auto end = generation.tokens.begin() + static_cast<ptrdiff_t>(i);
      ASSERT_EQ(std::find(begin, end, generation.tokens[i]), end) << "token " << i;
    }
    // The tokens of the sequence are its first page, and the last of what was said.
    const std::span<const Token> kept = session.tokens();
    EXPECT_TRUE(std::equal(kept.end() - 100, kept.end(), generation.tokens.end() - 100));
    const std::vector<Token> sinks = prompt(64);
    EXPECT_TRUE(std::equal(sinks.begin(), sinks.end(), kept.begin()));
    if (run == 0) first = generation.tokens;
    EXPECT_EQ(generation.tokens, first) << "the same seed must give the same text";
  }
  expect_valid(*tiny());
}

TEST(ContextEndTest, StopsWhereAskedTo) {
  Session session(tiny());
  session.append(prompt(250));
  GenerateOptions options = greedy(50);
  const Generation generation = session.generate(options);
  EXPECT_EQ(generation.reason, StopReason::kContextFull);
  EXPECT_EQ(generation.tokens.size(), 6U);
  EXPECT_EQ(generation.dropped_tokens, 0U);
  // And goes on from there when it may forget.
  const Generation more = session.generate(shifting(10));
  EXPECT_EQ(more.tokens.size(), 10U);
  EXPECT_EQ(more.dropped_tokens, 64U);
  EXPECT_EQ(session.tokens().size(), 256U - 64 + 10);
}

TEST(ContextEndTest, TheSessionIsSoundAfterwards) {
  Session session(tiny());
  session.append(prompt(200));
  session.generate(shifting(100));
  const std::vector<float> before = session.logits();
  const std::vector<Token> tokens(session.tokens().begin(), session.tokens().end());
  session.truncate(static_cast<uint32_t>(tokens.size()) - 20);
  session.append(std::span(tokens).last(20));
  const std::vector<float> again = session.logits();
  EXPECT_LT(divergence(before, again), 1e-5);
  EXPECT_EQ(session.assign(tokens), tokens.size());
}

TEST(ContextEndTest, OthersGoOnUndisturbed) {
  Session alone(tiny());
  alone.append(prompt(40));
  const Generation expected = alone.generate(greedy(120));
  Session shifted(tiny());
  Session beside(tiny());
  shifted.append(prompt(240));
  beside.append(prompt(40));
  std::vector<GenerateRequest> requests{{&shifted, shifting(200)}, {&beside, greedy(120)}};
  const std::vector<Generation> got = generate(requests);
  EXPECT_EQ(got[0].tokens.size(), 200U);
  EXPECT_GT(got[0].dropped_tokens, 0U);
  EXPECT_EQ(got[1].tokens, expected.tokens);
}

// As a chat does: each turn writes the whole conversation anew.
TEST(ContextEndTest, ForgottenTurnsStayForgotten) {
  Session session(tiny());
  std::vector<Token> conversation = prompt(100);
  for (uint32_t turn = 0; turn < 12; ++turn) {
    const auto before = static_cast<uint32_t>(session.tokens().size());
    const uint32_t kept = session.assign_shifting(conversation, 4);
    // All but the last token of what was there and stayed; 30 tokens are new, or 100 at first.
    EXPECT_EQ(kept, turn == 0 ? 0 : static_cast<uint32_t>(session.tokens().size()) - 31)
        << turn << " " << before;
    EXPECT_LT(session.tokens().size(), 256U);
    const Generation generation = session.generate(shifting(50));
    EXPECT_EQ(generation.prompt_tokens, turn == 0 ? 100U : 31U) << turn;
    conversation.insert(conversation.end(), generation.tokens.begin(), generation.tokens.end());
    const std::vector<Token> next = prompt(30);
    conversation.insert(conversation.end(), next.begin(), next.end());
  }
  // Another conversation, and one that fits as a whole again.
  std::vector<Token> other = prompt(700);
  other[0] = 9;
  EXPECT_EQ(session.assign_shifting(other, 4), 0U);
  EXPECT_LT(session.tokens().size(), 256U);
  EXPECT_TRUE(std::equal(other.begin(), other.begin() + 64, session.tokens().begin()));
  EXPECT_TRUE(std::equal(other.end() - 64, other.end(), session.tokens().end() - 64));
  session.assign_shifting(std::span(other).first(200), 4);
  EXPECT_EQ(session.tokens().size(), 200U);
}

TEST(ContextEndTest, RefusesWhatCannotBeKept) {
  Session session(tiny());
  session.append(prompt(10));
  GenerateOptions options = shifting(5);
  options.keep = 129;  // three pages of four: nothing to move within
  EXPECT_THROW(session.generate(options), Error);
  EXPECT_THROW(session.assign_shifting(prompt(300), 193), Error);
  options.keep = 128;
  EXPECT_EQ(session.generate(options).tokens.size(), 5U);
}

}  // namespace
}  // namespace caldera::test
