// The memory pool on every machine of the table: it takes what the machine gives, and no more.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <random>
#include <regex>

#include "caldera/error.hpp"
#include "plan/usable_heaps.hpp"
#include "simulated/every_row.hpp"
#include "simulated/simulated_device.hpp"
#include "vulkan/device.hpp"

namespace caldera::test {
namespace {

using vulkan::Allocation;
using vulkan::MemoryPool;
using vulkan::Purpose;
using vulkan::Residency;

constexpr uint64_t kKiB = uint64_t{1} << 10;
constexpr uint64_t kMiB = uint64_t{1} << 20;
constexpr uint64_t kPiece = 256 * kKiB;

class PoolTest : public ::testing::TestWithParam<std::string> {
 protected:
  void open(SimulatedOptions options = {}, vulkan::DeviceOptions device = {}) {
    simulated_ = std::make_unique<SimulatedDevice>(GetParam(), options);
    instance_ = std::make_unique<vulkan::Instance>(options.validation);
    device_ = std::make_unique<vulkan::Device>(*instance_, instance_->choose(""), device);
    usable_ = plan::usable_heaps(simulated_->topology());
  }

  void TearDown() override {
    if (device_ == nullptr) return;
    device_.reset();
    EXPECT_EQ(simulated_->live_allocations(), 0U);
    for (uint32_t i = 0; i < simulated_->topology().heaps.size(); ++i)
      EXPECT_EQ(simulated_->used(i), 0U) << i;
    EXPECT_THAT(instance_->validation_log().messages, ::testing::IsEmpty());
    instance_.reset();
  }

  MemoryPool& pool() { return device_->memory(); }
  Allocation take(uint64_t bytes, Purpose purpose = Purpose::kWeights) {
    return pool().allocate(bytes, Residency::kDevice, purpose, "a test's memory");
  }

  /// Pieces until the pool refuses one; the error's line goes to `said`.
  std::vector<Allocation> fill(uint64_t bytes, std::string* said = nullptr) {
    std::vector<Allocation> pieces;
    try {
      for (;;) pieces.push_back(take(bytes));
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::kMemory);
      if (said != nullptr) *said = error.what();
    }
    return pieces;
  }

  uint64_t usable() const {
    return plan::usable_bytes(usable_, plan::Reach::kNear) + plan::usable_bytes(usable_, plan::Reach::kFar);
  }
  uint64_t held() const {
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < simulated_->topology().heaps.size(); ++i) bytes += simulated_->used(i);
    return bytes;
  }

  std::unique_ptr<SimulatedDevice> simulated_;
  std::unique_ptr<vulkan::Instance> instance_;
  std::unique_ptr<vulkan::Device> device_;
  std::vector<plan::UsableHeap> usable_;
};

/// One line that names sizes and has no others.
void expect_sizes(const std::string& line) {
  EXPECT_TRUE(std::regex_search(line, std::regex("[0-9] (MiB|GiB)"))) << line;
  EXPECT_EQ(line.find('\n'), std::string::npos) << line;
}

TEST_P(PoolTest, FillsEveryHeapFastestFirstAndSaysWhatIsLeft) {
  SimulatedOptions options;
  options.validation = true;
  open(options);
  std::string said;
  const std::vector<Allocation> pieces = fill(kPiece, &said);
  EXPECT_GE(pieces.size() * kPiece, usable() / 100 * 97) << said;
  EXPECT_EQ(held(), pool().reserved());
  EXPECT_EQ(pool().used(Purpose::kWeights), pieces.size() * kPiece);
  expect_sizes(said);
  EXPECT_THAT(said, ::testing::HasSubstr(GetParam()));
  // Far memory holds what did not fit near, and its heaps say so.
  const uint64_t near = plan::usable_bytes(usable_, plan::Reach::kNear);
  EXPECT_EQ(pool().used_far(Purpose::kWeights) > 0, near < usable());
  for (const HeapUse& use : pool().heaps()) {
    SCOPED_TRACE(use.heap);
    EXPECT_EQ(use.reserved, simulated_->used(use.heap));
    EXPECT_LE(use.weights, use.reserved);
    const auto heap = std::find_if(usable_.begin(), usable_.end(),
                                   [&](const plan::UsableHeap& one) { return one.heap == use.heap; });
    ASSERT_NE(heap, usable_.end()) << "nothing lies in a heap that is not for weights";
    EXPECT_EQ(use.near, heap->reach == plan::Reach::kNear);
  }
}

TEST_P(PoolTest, AsksForNothingBeyondTheCaps) {
  open();
  const plan::Topology& shown = simulated_->topology();
  const uint64_t cap = std::min(shown.max_allocation, shown.max_buffer);
  EXPECT_LE(pool().max_allocation(), cap);
  // As when weights are loaded: chunks are made as large as they may be.
  const std::vector<uint64_t> sizes(usable() / kMiB, kMiB);
  pool().expect(sizes);
  const std::vector<Allocation> pieces = fill(kMiB);
  EXPECT_GE(pieces.size() * kMiB, usable() / 100 * 97);
  EXPECT_LE(simulated_->largest_asked(), cap);
  EXPECT_GE(simulated_->largest_asked(), std::min(cap, usable() / 4) - kMiB)
      << "few large chunks, not many small ones";
}

TEST_P(PoolTest, HasTheSameRoomAfterAHundredModels) {
  open();
  const MemoryPool::Room before = pool().room();
  std::mt19937 random(3);
  size_t most = 0;
  size_t least = SIZE_MAX;
  for (int cycle = 0; cycle < 100; ++cycle) {
    std::vector<Allocation> pieces = fill(4 * kMiB);
    most = std::max(most, pieces.size());
    least = std::min(least, pieces.size());
    std::shuffle(pieces.begin(), pieces.end(), random);
    pieces.clear();
    ASSERT_EQ(simulated_->live_allocations(), 0U) << cycle;
  }
  EXPECT_EQ(most, least);
  const MemoryPool::Room after = pool().room();
  // Heaps that the pool cannot trust are measured against the system's free memory, which moves.
  if (simulated_->topology().name != "lavapipe-debian-12") {
    EXPECT_EQ(after.near, before.near);
    EXPECT_EQ(after.all, before.all);
  }
}

TEST_P(PoolTest, LeavesNoGapsWhereSizesVary) {
  open();
  std::mt19937 random(4);
  std::vector<Allocation> pieces;
  const uint64_t half = usable() / 2;
  for (int step = 0; step < 4000; ++step) {
    if (pool().used(Purpose::kWeights) > half || (!pieces.empty() && random() % 3 == 0)) {
      std::swap(pieces[random() % pieces.size()], pieces.back());
      pieces.pop_back();
    } else {
      pieces.push_back(take(1 + random() % (2 * kMiB)));
    }
  }
  pieces.clear();
  EXPECT_EQ(simulated_->live_allocations(), 0U);
  EXPECT_GE(fill(kPiece).size() * kPiece, usable() / 100 * 97);
}

TEST_P(PoolTest, HonoursABudgetThatShrinks) {
  open();
  // Of the table only lavapipe-debian-12, whose driver has no VK_EXT_memory_budget.
  if (!device_->physical().info.memory_budget) GTEST_SKIP() << "this driver reports none";
  const uint32_t heap = usable_.front().heap;
  std::vector<Allocation> pieces;
  while (simulated_->used(heap) < usable_.front().bytes / 4) pieces.push_back(take(kPiece));
  const uint64_t budget = simulated_->used(heap) + usable_.front().bytes / 4;
  simulated_->set_budget(heap, budget);
  std::string said;
  std::vector<Allocation> rest = fill(kPiece, &said);
  EXPECT_LE(simulated_->used(heap), budget);
  EXPECT_GT(simulated_->used(heap), budget / 2) << "what it leaves is used";
  expect_sizes(said);

  // Below what is in use already: nothing more from there, nothing taken away.
  simulated_->set_budget(heap, kMiB);
  const uint64_t used = simulated_->used(heap);
  rest.clear();
  rest = fill(kPiece);
  EXPECT_LE(simulated_->used(heap), used);

  // Others give memory back: it is used again.
  simulated_->reset();
  const size_t before = pieces.size() + rest.size();
  for (Allocation& more : fill(kPiece)) rest.push_back(std::move(more));
  EXPECT_GT(pieces.size() + rest.size(), before);
  EXPECT_GE((pieces.size() + rest.size()) * kPiece, usable() / 100 * 97);
}

TEST_P(PoolTest, EndsInAnErrorWhenEverythingIsRefused) {
  open();
  const Allocation kept = take(kMiB);
  simulated_->refuse_allocation(1, UINT64_MAX);
  for (const Residency residency : {Residency::kDevice, Residency::kHostWrite, Residency::kHostRead}) {
    try {
      const Allocation large = pool().allocate(24 * kMiB, residency, Purpose::kKv, "the context");
      ADD_FAILURE() << "nothing could be granted";
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::kMemory);
      expect_sizes(error.what());
      EXPECT_THAT(error.what(), ::testing::HasSubstr("the context needs 24.0 MiB"));
    }
  }
  simulated_->reset();
  EXPECT_TRUE(take(24 * kMiB)) << "the pool goes on";
}

TEST_P(PoolTest, TakesARefusalAsAReasonToTryElsewhere) {
  open();
  for (uint64_t nth = 1; nth <= 3; ++nth) {
    simulated_->refuse_allocation(nth);
    EXPECT_GE(fill(kPiece).size() * kPiece, usable() / 100 * 97) << nth;
  }
}

TEST_P(PoolTest, EndsInAnErrorWhenAllocationsRunOut) {
  SimulatedOptions options;
  options.allocations = 3;
  open(options);
  std::string said;
  const std::vector<Allocation> pieces = fill(kPiece, &said);
  EXPECT_EQ(simulated_->live_allocations(), 3U);
  EXPECT_GE(pieces.size(), 3U);
  expect_sizes(said);
}

TEST_P(PoolTest, KeepsToItsLimit) {
  vulkan::DeviceOptions device;
  device.memory_limit = 48 * kMiB;
  open({}, device);
  const std::vector<Allocation> pieces = fill(kPiece);
  uint64_t near = 0;
  for (const HeapUse& use : pool().heaps()) near += use.near ? use.reserved : 0;
  EXPECT_LE(near, 48 * kMiB);
  const uint64_t near_usable = plan::usable_bytes(usable_, plan::Reach::kNear);
  EXPECT_GE(near, std::min(near_usable, 48 * kMiB) / 100 * 97);
  const uint64_t far = plan::usable_bytes(usable_, plan::Reach::kFar);
  EXPECT_GE(pieces.size() * kPiece, (std::min(near_usable, 48 * kMiB) + far) / 100 * 97);
}

INSTANTIATE_TEST_SUITE_P(Rows, PoolTest, ::testing::ValuesIn(row_names()), row_test_name);

}  // namespace
}  // namespace caldera::test
