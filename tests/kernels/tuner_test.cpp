// Tuning on a device: what is chosen, what is remembered, and that time is kept.
#include "kernels/tuner.hpp"

#include <gtest/gtest.h>

#include "gguf/temporary_folder.hpp"
#include "kernels/kernel_test.hpp"
#include "kernels/product_candidates.hpp"
#include "kernels/product_timer.hpp"

namespace caldera::kernels {
namespace {

using quant::Format;

class TunerTest : public ::testing::Test {
 protected:
  TunerTest() {
    options_.any_device = true;  // tests run on Mesa's software device
    options_.bytes = 1;          // one product a candidate
    options_.budget = std::chrono::seconds(3);
  }

  /// Two of one key, one of another, and one that is none of the tuner's business.
  std::vector<Product> products() {
    std::vector<Product> products;
    for (const TestMatrix* matrix : {&first_, &second_}) {
      Product product{&matrix->get(), {}, {}, kRows, 0, 0, Epilogue::kStore, Count::kTokens, Input::kNormed};
      product.epsilon = 1e-5F;
      products.push_back(product);
    }
    Product gate_up{&third_.get(), {}, {}, kRows / 2, 0, 0, Epilogue::kSwiGlu, Count::kOutputs, Input::kInt8};
    gate_up.out_int8.bytes = 1;
    products.push_back(gate_up);
    products.push_back({&first_.get(), {}, {}, kRows, 0, 0, Epilogue::kStore, Count::kTokens});
    return products;
  }

  std::vector<TunedProduct> tuned(Kernels& kernels) {
    return tune(test::device(), kernels, products(), 1, file_, options_);
  }

  static constexpr uint32_t kRows = 64;
  static constexpr uint32_t kColumns = 256;
  TestMatrix first_{Format::kQ8_0, kRows, kColumns, 1};
  TestMatrix second_{Format::kQ8_0, kRows, kColumns, 2};
  TestMatrix third_{Format::kQ4_0, kRows, kColumns, 3};
  gguf::TemporaryFolder folder_;
  std::filesystem::path file_ = folder_.path() / "device.products.json";
  TuneOptions options_;
};

TEST_F(TunerTest, ChoosesAndRemembers) {
  Kernels kernels = shared_kernels();
  const std::vector<TunedProduct> results = tuned(kernels);
  ASSERT_EQ(results.size(), 2U);
  EXPECT_EQ(results[0].products, 2U);  // the key that reads most comes first
  EXPECT_FALSE(results[0].key.pairs);
  EXPECT_TRUE(results[1].key.pairs);
  size_t known = 0;
  for (const TunedProduct& result : results) {
    EXPECT_TRUE(possible(result.choice, result.key, kernels.workgroup_limits()));
    EXPECT_EQ(kernels.choice(result.key), result.choice);
    EXPECT_FALSE(result.remembered);
    EXPECT_GT(result.bytes, 0U);
    if (result.tried > 0) {
      EXPECT_GT(result.seconds, 0);
      EXPECT_LE(result.seconds,
                1.1 * result.usual_seconds);  // fastest among the others is not always so alone
    }
    if (result.tried > 1) ++known;
  }
  EXPECT_GE(known, 1U) << "nothing was timed in three seconds";

  // Another program finds it in the file.
  Kernels others = shared_kernels();
  options_.budget = std::chrono::seconds(0);
  size_t remembered = 0;
  for (const TunedProduct& again : tuned(others)) {
    if (!again.remembered) continue;
    ++remembered;
    EXPECT_EQ(again.tried, 0U);
    for (const TunedProduct& result : results) {
      if (result.key == again.key) {
        EXPECT_EQ(result.choice, again.choice);
      }
    }
    EXPECT_EQ(others.choice(again.key), again.choice);
  }
  EXPECT_EQ(remembered, known);

  options_.again = true;
  Kernels third = shared_kernels();
  for (const TunedProduct& result : tuned(third)) EXPECT_FALSE(result.remembered);
}

TEST_F(TunerTest, KeepsTheUsualChoiceWithoutTime) {
  Kernels kernels = shared_kernels();
  options_.budget = std::chrono::seconds(0);
  for (const TunedProduct& result : tuned(kernels)) {
    EXPECT_EQ(result.choice, shared_kernels().choice(result.key));
    EXPECT_EQ(result.tried, 0U);
    EXPECT_FALSE(result.remembered);
  }
  // What nobody timed is for the next time.
  const auto owner = product_memory_owner(test::device(), kernels.workgroup_limits());
  EXPECT_TRUE(read_product_memory(file_, owner).empty());
}

TEST_F(TunerTest, TimesACandidateOnceHoweverFastItMustBe) {
  Kernels kernels = shared_kernels();
  const std::vector<Product> all = products();
  ProductTimer timer(test::device(), kernels, std::span(all).first(2), 1);
  const double seconds = timer.seconds(kernels.choice(timer.key()), 3, 0);
  EXPECT_GT(seconds, 0);
  EXPECT_LT(seconds, 10);
}

TEST_F(TunerTest, LeavesDevicesAloneThatDoNotPreferInt8) {
  Kernels kernels = shared_kernels();
  // Where it does, ChoosesAndRemembers sees that it is tuned.
  if (kernels.prefers_int8()) GTEST_SKIP() << "this device prefers int8 vectors, and is tuned";
  options_.any_device = false;
  EXPECT_TRUE(tuned(kernels).empty());
  EXPECT_FALSE(std::filesystem::exists(file_));
}

TEST_F(TunerTest, HasItsFileBesideTheDriversCache) {
  vulkan::PipelineStore store(test::device(), folder_.path());
  EXPECT_EQ(product_memory_file(store).parent_path(), folder_.path());
  EXPECT_TRUE(product_memory_file(store).string().ends_with(".products.json"));
  EXPECT_TRUE(product_memory_file(test::pipelines()).empty());
}

}  // namespace
}  // namespace caldera::kernels
