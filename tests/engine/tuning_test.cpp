// Tuning a whole model: another choice gives the same text.
#include <gmock/gmock.h>

#include <chrono>
#include <cstdlib>

#include "engine/models.hpp"
#include "engine/tune.hpp"
#include "gguf/temporary_folder.hpp"

namespace caldera::test {
namespace {

constexpr uint32_t kVocabulary = 49152;
const LoadOptions kInt8{.context = 256, .sequences = 2, .arithmetic = Arithmetic::kInt8};

/// What the model says greedily, alone and beside another sequence.
std::vector<std::vector<Token>> said(const std::shared_ptr<Model>& model) {
  std::vector<std::vector<Token>> all;
  {
    Session alone(model);
    alone.append(model->tokenize("The capital of Sweden is", true, true));
    all.push_back(alone.generate(greedy(6)).tokens);
  }
  Session first(model);
  first.append(model->tokenize("1, 2, 3, 4,", true, true));
  Session second(model);
  second.append(model->tokenize("Snow is", true, true));
  std::vector<GenerateRequest> requests{{&first, greedy(4)}, {&second, greedy(4)}};
  for (const Generation& generation : generate(requests)) all.push_back(generation.tokens);
  return all;
}

TEST(Tuning, ChangesSpeedAlone) {
  // Not in the folder of whoever runs the tests.
  const gguf::TemporaryFolder folder;
  setenv("XDG_CACHE_HOME", folder.path().c_str(), 1);
  const auto usual = load(smollm2(), kInt8);
  const auto tuned = load(smollm2(), kInt8);
  unsetenv("XDG_CACHE_HOME");
  engine::Engine& engine = tuned->engine();
  for (const uint32_t sequences : {1U, 2U}) {
    const auto start = std::chrono::steady_clock::now();
    const std::vector<kernels::TunedProduct> products =
        engine.tune(sequences, {.budget = std::chrono::seconds(4), .any_device = true});
    const std::chrono::duration<double> passed = std::chrono::steady_clock::now() - start;
    EXPECT_LT(passed.count(), 60) << "the budget is for a look at the clock between candidates";
    EXPECT_GE(products.size(), 3U);
    uint32_t of_a_step = 0;
    for (const kernels::TunedProduct& product : products) {
      // The output matrix takes two for each output.
      EXPECT_EQ(product.key.vectors, product.key.rows == kVocabulary ? 2 * sequences : sequences);
      of_a_step += product.products;
    }
    EXPECT_GE(of_a_step, 30U * 4);
  }
  EXPECT_EQ(engine.tuning_file().parent_path().parent_path().parent_path(), folder.path());
  EXPECT_EQ(said(tuned), said(usual));
  expect_valid(*tuned);
}

TEST(Tuning, IsNothingOnASoftwareDevice) {
  const auto& model = shared_smollm2();
  // GPUs are tuned, which the test above sees on every device.
  if (model->device().type != "cpu")
    GTEST_SKIP() << "this device is a GPU, for which there is something to tune";
  EXPECT_FALSE(model->engine().tunable());
}

}  // namespace
}  // namespace caldera::test
