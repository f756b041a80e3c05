// Steps of more sequences than products of few vectors are made for: each draws what it draws alone.
#include <gmock/gmock.h>

#include "engine/models.hpp"
#include "gguf/temporary_folder.hpp"
#include "memory/synthetic_file.hpp"

namespace caldera::test {
namespace {

constexpr uint32_t kSequences = 9;
constexpr uint32_t kTokens = 6;
constexpr uint32_t kPrompts = 3;

std::vector<Token> prompt(uint32_t number) {
  std::vector<Token> tokens;
  for (uint32_t i = 0; i < 3 + 20 * number; ++i) tokens.push_back(static_cast<Token>((i * 7 + number) % 250));
  return tokens;
}

/// Sessions side by side, of prompts of different lengths, beside one after the other.
void check(Arithmetic arithmetic, bool on_units = false) {
  const gguf::TemporaryFolder folder;
  const auto file = write_synthetic({.layers = 2, .width = 128, .heads = 2, .kv_heads = 1, .ffn = 256},
                                    folder.path() / "small.gguf");
  const auto model = load(file, {.context = 64, .sequences = kSequences, .arithmetic = arithmetic});
  // Where it has none, engine_test_matrix runs this on a software device with them.
  if (on_units && model->device().cooperative_matrix.empty())
    GTEST_SKIP() << "the device has no matrix units";
  std::vector<std::vector<Token>> alone;
  for (uint32_t i = 0; i < kPrompts; ++i) {
    Session session(model);
    session.append(prompt(i));
    alone.push_back(session.generate(greedy(kTokens)).tokens);
  }
  std::vector<Session> sessions;
  for (uint32_t i = 0; i < kSequences; ++i) {
    sessions.emplace_back(model);
    sessions.back().append(prompt(i % kPrompts));
  }
  std::vector<GenerateRequest> requests;
  for (uint32_t i = 0; i < kSequences; ++i) {
    // Some end early, and the step goes on without them.
    requests.push_back({&sessions[i], greedy(i % 2 == 0 ? kTokens : kTokens - 2)});
  }
  const std::vector<Generation> together = generate(requests);
  for (uint32_t i = 0; i < kSequences; ++i) {
    std::vector<Token> expected = alone[i % kPrompts];
    if (i % 2 == 1) expected.resize(kTokens - 2);
    EXPECT_EQ(together[i].tokens, expected) << i;
  }
  // The validation layer that comes with those devices minds the alignment that glslang gives to loads of
  // addresses, in the sampler.
  if (!on_units) expect_valid(*model);
}

TEST(ManySequences, DrawWhatEachDrawsAlone) {
  check(Arithmetic::kF32);
}

TEST(ManySequences, DrawWhatEachDrawsAloneWithInt8Vectors) {
  check(Arithmetic::kInt8);
}

/// Where there are none, engine_test_matrix runs this on a software device with them.
TEST(ManySequences, DrawWhatEachDrawsAloneOnMatrixUnits) {
  check(Arithmetic::kF16, true);
}

}  // namespace
}  // namespace caldera::test
