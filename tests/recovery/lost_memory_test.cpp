// What a loss leaves behind: nothing. And what is measured across one is not reported.
#include "engine/bench.hpp"
#include "memory/process_memory.hpp"
#include "recovery/lost_device.hpp"

namespace caldera::test {
namespace {

using ::testing::HasSubstr;

constexpr uint64_t kMiB = uint64_t{1} << 20;

void expect_equal(const MemoryUse& after, const MemoryUse& before) {
  EXPECT_EQ(after.weights, before.weights);
  EXPECT_EQ(after.kv, before.kv);
  EXPECT_EQ(after.activations, before.activations);
  EXPECT_EQ(after.staging, before.staging);
  ASSERT_EQ(after.heaps.size(), before.heaps.size());
  for (size_t i = 0; i < after.heaps.size(); ++i) {
    EXPECT_EQ(after.heaps[i].reserved, before.heaps[i].reserved);
    EXPECT_EQ(after.heaps[i].chunks, before.heaps[i].chunks);
  }
}

TEST_F(LostUnvalidated, LeavesTheMemoryAsItWas) {
  const auto model = Model::load(file_, options());
  Session session(model);
  session.append(prompt(70));
  session.generate(varied(20));
  const MemoryUse before = model->memory();
  const uint64_t allocations = simulated_->live_allocations();
  const auto lose = [&] {
    session.truncate(70);
    simulated_->lose_device(LossPoint::kWait, 9);
    session.generate(varied(20));
  };
  lose();
  const ProcessMemory once = process_memory();
  const size_t descriptors = open_descriptors();
  const size_t threads = running_threads();
  for (int i = 0; i < 3; ++i) lose();
  EXPECT_EQ(losses(), 4U);
  expect_equal(model->memory(), before);
  EXPECT_EQ(simulated_->live_allocations(), allocations);
  EXPECT_EQ(open_descriptors(), descriptors);
  EXPECT_EQ(running_threads(), threads);
  EXPECT_LT(process_memory().own(), once.own() + 12 * kMiB) << "of three losses";
}

TEST_F(LostUnvalidated, IsADeviceThatFinishesNothing) {
  LoadOptions patient = options();
  patient.patience = 0.25;
  const auto model = Model::load(file_, patient);
  const auto text = [&] {
    Session session(model);
    session.append(prompt(30));
    return session.generate(varied(12)).text;
  };
  const std::string whole = text();
  simulated_->lose_device(LossPoint::kStuck, 7);
  EXPECT_EQ(text(), whole);
  ASSERT_EQ(losses(), 1U);
  EXPECT_THAT(events[0].reason, HasSubstr("finished nothing for 0.25 s"));
  LoadOptions odd = options();
  odd.patience = -1;
  EXPECT_THROW(Model::load(file_, odd), Error);
}

TEST_F(LostUnvalidated, AtAPageOfMemory) {
  const auto model = Model::load(write_synthetic(kLargePages, folder_->path() / "pages.gguf"), options());
  const auto text = [&] {
    Session session(model);
    session.append(prompt(250));
    return session.generate(varied(6)).text;
  };
  simulated_->lose_device(LossPoint::kAllocation, 1);
  const std::string through = text();
  EXPECT_EQ(losses(), 1U);
  EXPECT_EQ(through, text());
}

template <class Call>
void expect_lost(Call call) {
  try {
    call();
    ADD_FAILURE() << "the device was lost";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kDevice);
    EXPECT_THAT(error.what(), HasSubstr("VK_ERROR_DEVICE_LOST"));
    EXPECT_EQ(std::string(error.what()).find('\n'), std::string::npos);
  }
}

TEST_F(LostUnvalidated, WhileProductsAreTuned) {
  LoadOptions int8 = options();
  int8.arithmetic = Arithmetic::kInt8;
  const auto model = Model::load(file_, int8);
  const auto text = [&] {
    Session session(model);
    session.append(prompt(30));
    return session.generate(varied(6)).text;
  };
  const std::string whole = text();
  simulated_->lose_device(LossPoint::kSubmission, 3);
  EXPECT_THROW(
      model->engine().tune(1, {.budget = std::chrono::milliseconds(500), .again = true, .any_device = true}),
      vulkan::DeviceLost);
  EXPECT_EQ(text(), whole);
  EXPECT_EQ(losses(), 1U);
}

TEST_F(LostUnvalidated, EndsABench) {
  engine::BenchOptions bench;
  bench.prompts = {32};
  bench.decodes = {8};
  bench.repeats = 1;
  bench.load = options();
  for (const uint64_t first : {1U, 6U, 18U}) {
    SCOPED_TRACE(first);
    simulated_->lose_device(LossPoint::kSubmission, first);
    expect_lost([&] { engine::bench(file_, bench); });
    EXPECT_EQ(simulated_->live_allocations(), 0U);
    simulated_->reset();
  }
  EXPECT_EQ(losses(), 0U);
}

}  // namespace
}  // namespace caldera::test
