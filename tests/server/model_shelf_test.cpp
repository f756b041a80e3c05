// Models that come and go, with a loader that counts pretended memory.
#include "server/model_shelf.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <condition_variable>
#include <future>
#include <map>
#include <mutex>
#include <thread>

#include "caldera/error.hpp"

namespace caldera::server {
namespace {

using std::chrono::milliseconds;
using testing::ElementsAre;
using testing::HasSubstr;
using State = ModelEntry::State;

/// What the fake loader and the test share.
struct Machine {
  std::mutex mutex;
  std::condition_variable changed;
  std::map<std::string, int> sizes;  ///< of the models there are
  int memory = 10;
  int used = 0;
  int most_used = 0;
  bool hold = false;    ///< loads wait in the middle
  bool refuse = false;  ///< the next load finds no memory, whatever was planned
  std::vector<std::string> loads;
  int drained = 0;

  void take(int bytes) {
    const std::scoped_lock lock(mutex);
    used += bytes;
    most_used = std::max(most_used, used);
  }
  void set_hold(bool value) {
    {
      const std::scoped_lock lock(mutex);
      hold = value;
    }
    changed.notify_all();
  }
};

class CountedService : public Service {
 public:
  CountedService(Machine& machine, int bytes) : machine_(machine), bytes_(bytes) { machine_.take(bytes_); }
  ~CountedService() override { machine_.take(-bytes_); }
  Admission submit(CompletionRequest, std::shared_ptr<CompletionListener>) override { return {}; }
  void cancel(uint64_t) override {}
  ServiceStatus status() const override { return {}; }
  void drain(milliseconds) override { ++machine_.drained; }

 private:
  Machine& machine_;
  int bytes_;
};

class FakeLoader : public ModelLoader {
 public:
  explicit FakeLoader(Machine& machine) : machine_(machine) {}
  std::vector<ShelfModel> known() const override {
    std::vector<ShelfModel> models;
    for (const auto& [name, size] : machine_.sizes) models.push_back({.name = name, .created = 7});
    return models;
  }
  std::string why_not(const std::string& name, const LoadedModels& staying, const LoadedModels&) override {
    int bytes = machine_.sizes.at(name);
    for (const auto& model : staying) bytes += machine_.sizes.at(model->name);
    return bytes <= machine_.memory ? "" : "it needs " + std::to_string(bytes) + " of 10";
  }
  ServedModel load(const std::string& name, const LoadedModels&,
                   const std::function<bool(const LoadProgress&)>& progress) override {
    std::unique_lock lock(machine_.mutex);
    machine_.loads.push_back(name);
    if (std::exchange(machine_.refuse, false)) throw Error(ErrorKind::kMemory, "refused");
    lock.unlock();
    if (name == "broken") throw Error(ErrorKind::kFormat, "it is no model");
    for (bool go_on = true; go_on;) {
      if (!progress({.bytes_done = 5, .bytes_total = 10})) throw Error(ErrorKind::kUsage, "cancelled");
      lock.lock();
      machine_.changed.wait_for(lock, milliseconds(5), [&] { return !machine_.hold; });
      go_on = machine_.hold;
      lock.unlock();
    }
    return {.name = name,
            .model = nullptr,
            .service = std::make_shared<CountedService>(machine_, machine_.sizes.at(name))};
  }

 private:
  Machine& machine_;
};

class ModelShelfTest : public testing::Test {
 protected:
  void make(std::map<std::string, int> sizes, milliseconds patience = milliseconds(0)) {
    machine_.sizes = std::move(sizes);
    shelf_ = std::make_unique<ModelShelf>(std::make_unique<FakeLoader>(machine_), std::vector<ServedModel>(),
                                          ShelfOptions{.patience = patience});
  }
  std::future<Acquired> ask(const std::string& name) {
    auto promise = std::make_shared<std::promise<Acquired>>();
    shelf_->acquire(name, [promise](Acquired acquired) { promise->set_value(std::move(acquired)); });
    return promise->get_future();
  }
  Acquired get(const std::string& name) { return ask(name).get(); }
  ModelEntry entry(const std::string& name) const {
    for (ModelEntry& each : shelf_->list()) {
      if (each.name == name) return each;
    }
    return {};
  }
  /// Waits for it: what loads is another thread.
  void expect_state(const std::string& name, State state) const {
    for (int i = 0; i < 6000 && entry(name).state != state; ++i) std::this_thread::sleep_for(milliseconds(5));
    EXPECT_EQ(entry(name).state, state);
  }
  std::vector<std::string> loads() {
    const std::scoped_lock lock(machine_.mutex);
    return machine_.loads;
  }

  Machine machine_;
  std::unique_ptr<ModelShelf> shelf_;
};

TEST_F(ModelShelfTest, LoadsOnDemandAndKeepsWhatFits) {
  make({{"a", 4}, {"b", 4}});
  EXPECT_EQ(entry("a").state, State::kAvailable);
  EXPECT_EQ(entry("a").created, 7);
  EXPECT_EQ(get("a").model->name, "a");
  EXPECT_EQ(get("b").model->name, "b");
  EXPECT_EQ(get("a").model->name, "a");
  EXPECT_THAT(loads(), ElementsAre("a", "b"));
  EXPECT_EQ(entry("b").state, State::kLoaded);
  EXPECT_EQ(entry("b").served->name, "b");
  const Acquired unknown = get("c");
  EXPECT_EQ(unknown.error.status, 404);
  EXPECT_THAT(unknown.error.message, HasSubstr("there is 'a', 'b'"));
}

TEST_F(ModelShelfTest, TheDefaultIsTheOneUsedLast) {
  make({{"a", 4}, {"b", 4}});
  EXPECT_EQ(get("").model->name, "a");
  EXPECT_EQ(get("b").model->name, "b");
  EXPECT_EQ(get("").model->name, "b");
  EXPECT_EQ(shelf_->list().front().name, "b");
}

TEST_F(ModelShelfTest, LeastRecentlyUsedGoesFirst) {
  make({{"a", 4}, {"b", 4}, {"c", 4}});
  get("a");
  get("b");
  get("a");
  get("c");
  EXPECT_EQ(entry("a").state, State::kLoaded);
  EXPECT_EQ(entry("b").state, State::kAvailable);
  EXPECT_EQ(entry("c").state, State::kLoaded);
  EXPECT_LE(machine_.most_used, 10) << "memory was to be given back before the next load";
}

TEST_F(ModelShelfTest, WhatIsInUseStaysAndIdleOnesGo) {
  make({{"a", 4}, {"b", 4}, {"c", 4}});
  const Acquired held = get("a");
  get("b");
  get("c");
  EXPECT_EQ(entry("a").state, State::kLoaded);
  EXPECT_EQ(entry("b").state, State::kAvailable);
}

TEST_F(ModelShelfTest, WaitsForAnAnswerToEndAndLetsNoOthersBegin) {
  make({{"a", 6}, {"b", 6}});
  Acquired held = get("a");
  auto b = ask("b");
  expect_state("b", State::kLoading);
  // `a` takes no more requests some time after `b` began to wait: then it is loaded again after that.
  std::vector<std::future<Acquired>> later;
  std::vector<Acquired> taken;
  for (int i = 0; i < 6000; ++i) {
    later.push_back(ask("a"));
    if (later.back().wait_for(milliseconds(0)) != std::future_status::ready) break;
    taken.push_back(later.back().get());
    later.pop_back();
    std::this_thread::sleep_for(milliseconds(1));
  }
  ASSERT_EQ(later.size(), 1U);
  EXPECT_THAT(loads(), ElementsAre("a"));
  taken.clear();
  held = {};
  EXPECT_EQ(b.get().model->name, "b");
  EXPECT_EQ(later[0].get().model->name, "a");
  EXPECT_THAT(loads(), ElementsAre("a", "b", "a"));
  EXPECT_LE(machine_.most_used, 10);
}

TEST_F(ModelShelfTest, AModelInUseIsPatientFirst) {
  make({{"a", 6}, {"b", 6}}, milliseconds(3'600'000));
  Acquired held = get("a");
  auto b = ask("b");
  expect_state("b", State::kLoading);
  EXPECT_EQ(get("a").model->name, "a");
  held = {};
  EXPECT_EQ(b.get().model->name, "b");
}

TEST_F(ModelShelfTest, OthersGoOnWhileOneLoads) {
  make({{"a", 4}, {"b", 4}});
  get("a");
  machine_.set_hold(true);
  auto first = ask("b");
  auto second = ask("b");
  expect_state("b", State::kLoading);
  for (int i = 0; i < 6000 && entry("b").progress.bytes_total == 0; ++i) {
    std::this_thread::sleep_for(milliseconds(5));
  }
  EXPECT_EQ(entry("b").progress.bytes_done, 5U);
  EXPECT_EQ(get("a").model->name, "a");
  machine_.set_hold(false);
  EXPECT_EQ(first.get().model->name, "b");
  EXPECT_EQ(second.get().model->name, "b");
  EXPECT_THAT(loads(), ElementsAre("a", "b"));
}

TEST_F(ModelShelfTest, WhatCannotFitCostsNobodyTheirPlace) {
  make({{"a", 4}, {"large", 11}, {"broken", 1}});
  get("a");
  const Acquired large = get("large");
  EXPECT_EQ(large.model, nullptr);
  EXPECT_EQ(large.error.status, 503);
  EXPECT_EQ(large.error.message, "the model 'large' cannot be loaded: it needs 11 of 10");
  EXPECT_EQ(entry("large").state, State::kFailed);
  EXPECT_EQ(entry("large").error, "it needs 11 of 10");
  EXPECT_THAT(get("broken").error.message, HasSubstr("it is no model"));
  EXPECT_EQ(entry("a").state, State::kLoaded);
  machine_.memory = 20;
  EXPECT_NE(get("large").model, nullptr);
}

TEST_F(ModelShelfTest, MakesRoomWhereThePlanWasWrong) {
  make({{"a", 4}, {"b", 4}});
  get("a");
  machine_.refuse = true;
  EXPECT_EQ(get("b").model->name, "b");
  EXPECT_EQ(entry("a").state, State::kAvailable);
  machine_.refuse = true;
  EXPECT_NE(get("a").model, nullptr);  // beside `b`, and then alone
  EXPECT_THAT(loads(), ElementsAre("a", "b", "b", "a", "a"));
}

TEST_F(ModelShelfTest, DrainsAndLoadsNothingMore) {
  make({{"a", 4}, {"b", 4}});
  const Acquired held = get("a");
  machine_.set_hold(true);
  auto b = ask("b");
  expect_state("b", State::kLoading);
  shelf_->drain(milliseconds(10));
  EXPECT_EQ(b.get().error.status, 503);
  EXPECT_EQ(get("a").error.status, 503);
  EXPECT_EQ(machine_.drained, 1);
  shelf_.reset();  // with a model still held
  EXPECT_EQ(held.model->name, "a");
}

TEST_F(ModelShelfTest, ServesManyThreads) {
  make({{"a", 4}, {"b", 4}, {"c", 4}, {"d", 9}});
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([this, i] {
      for (int k = 0; k < 40; ++k) {
        const std::string name(1, static_cast<char>('a' + (i * 7 + k * 3) % 4));
        EXPECT_EQ(get(name).model->name, name);
        shelf_->list();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_LE(machine_.most_used, 10);
}

}  // namespace
}  // namespace caldera::server
