// A model that takes 95 % of what a device may give, on every machine of the table: it loads, lies where the
// planner says, and says the same as anywhere else.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <string>
#include <vector>

#include "caldera/caldera.hpp"
#include "gguf/file.hpp"
#include "gguf/temporary_folder.hpp"
#include "memory/first_local_heap.hpp"
#include "memory/synthetic_file.hpp"
#include "memory/varied.hpp"
#include "model/plan_shape.hpp"
#include "plan/footprint.hpp"
#include "plan/usable_heaps.hpp"
#include "simulated/every_row.hpp"
#include "simulated/shown_device.hpp"
#include "simulated/simulated_device.hpp"

namespace caldera::test {
namespace {

constexpr double kShare = 0.95;
constexpr uint32_t kContext = 64;
constexpr const char* kRowWithoutBudget = "lavapipe-debian-12";

/// Prompts of up to 8 tokens are read by the kernels that decoding uses.
LoadOptions small_load() {
  LoadOptions options;
  options.context = kContext;
  options.prefill_rows = 8;
  return options;
}

std::vector<Token> first_tokens(Session& session) {
  session.append(std::vector<Token>{72, 101, 108, 108, 111, 32, 119});
  return session.generate(varied(8)).tokens;
}

uint64_t sum(const plan::Topology& topology) {
  uint64_t bytes = 0;
  for (const plan::Heap& heap : topology.heaps) bytes += heap.bytes;
  return bytes;
}

uint64_t usable(const plan::Topology& topology) {
  const std::vector<plan::UsableHeap> heaps = plan::usable_heaps(topology);
  return plan::usable_bytes(heaps, plan::Reach::kNear) + plan::usable_bytes(heaps, plan::Reach::kFar);
}

/// Whether some of what is taken for a while, or lost, does not shrink with the row: where the host cannot
/// see the device's memory, uploads go through buffers of 32 MiB; where a driver's heap is no measure of what
/// it grants, chunks are as large as where there is plenty. A larger model and row keep that within 5 %.
bool has_fixed_bytes(const plan::Topology& topology) {
  const plan::UsableHeap first = plan::usable_heaps(topology).front();
  return !topology.types[first.type].host_visible || topology.name == kRowWithoutBudget;
}

/// A file, what plain lavapipe makes of it, and what it takes.
class FullModel {
 public:
  explicit FullModel(std::filesystem::path path) : path_(std::move(path)) {
    Session session(Model::load(path_, small_load()));
    said_ = first_tokens(session);
  }

  const std::filesystem::path& path() const { return path_; }
  const std::vector<Token>& said() const { return said_; }
  /// Bytes on a device of this type.
  uint64_t need_on(plan::DeviceType type) const {
    const plan::Footprint planned = plan::footprint(model::plan_shape(gguf::File::open(path_)),
                                                    {.context = kContext, .prefill_rows = 8}, type);
    return planned.weights.total() + planned.kv + planned.activations;
  }

 private:
  std::filesystem::path path_;
  std::vector<Token> said_;
};

const FullModel& model_for(const plan::Topology& row) {
  if (!has_fixed_bytes(row)) {
    static const FullModel usual(many_layers_file());
    return usual;
  }
  static const gguf::TemporaryFolder folder;
  static const FullModel large([] {
    SyntheticFile file = kManyLayers;
    file.layers = 230;
    return write_synthetic(file, folder.path() / "more-layers.gguf");
  }());
  return large;
}

/// What the heaps of a row must add up to for `need` bytes to be 95 % of what is usable.
uint64_t total_for(const plan::Topology& row, uint64_t need) {
  uint64_t low = need;
  uint64_t high = 4 * need;
  while (low + 1 < high) {
    const uint64_t middle = low + (high - low) / 2;
    const double divisor = static_cast<double>(sum(row)) / static_cast<double>(middle);
    const bool enough = kShare * static_cast<double>(usable(simulated::scale_topology(row, divisor))) >=
                        static_cast<double>(need);
    (enough ? high : low) = middle;
  }
  return high;
}

void expect_where_usable(const MemoryUse& use, const SimulatedDevice& simulated) {
  const std::vector<plan::UsableHeap> usable = plan::usable_heaps(simulated.topology());
  uint64_t far_weights = 0;
  for (const HeapUse& heap : use.heaps) {
    SCOPED_TRACE(heap.heap);
    EXPECT_EQ(heap.reserved, simulated.used(heap.heap));
    if (!heap.near) far_weights += heap.weights;
    const auto found = std::find_if(usable.begin(), usable.end(),
                                    [&](const plan::UsableHeap& one) { return one.heap == heap.heap; });
    if (found == usable.end()) {
      EXPECT_EQ(heap.weights + heap.kv, 0U) << "a window is for what the host writes";
      continue;
    }
    EXPECT_EQ(heap.near, found->reach == plan::Reach::kNear);
    // Where the driver does not watch its memory, there is no telling how much to leave to others.
    const bool watched = simulated.topology().name != kRowWithoutBudget;
    EXPECT_LE(heap.reserved, watched ? found->bytes : simulated.topology().heaps[heap.heap].bytes);
  }
  EXPECT_EQ(far_weights, use.far_weights);
  // In the order of filling: only the last may have much left.
  for (size_t i = 0; i + 1 < usable.size(); ++i) {
    EXPECT_GE(simulated.used(usable[i].heap), usable[i].bytes / 100 * 95) << "heap " << usable[i].heap;
  }
}

class EveryRowModel : public ::testing::TestWithParam<std::string> {};

TEST_P(EveryRowModel, FillsWhatIsUsableAndSaysTheSame) {
  const plan::Topology row = plan::find_topology(GetParam());
  const FullModel& full = model_for(row);
  const uint64_t need = full.need_on(row.type);
  const uint64_t total = total_for(row, need);

  SimulatedOptions options;
  options.scale = "total:" + std::to_string(total);
  options.enforce_budget = true;
  const SimulatedDevice simulated(GetParam(), options);
  const plan::Topology& shown = simulated.topology();
  {
    const auto model = Model::load(full.path(), small_load());
    Session session(model);
    EXPECT_EQ(first_tokens(session), full.said());
    // With the session's page.
    const MemoryUse use = model->memory();
    EXPECT_EQ(use.staging, 0U) << "rings are gone after loading";
    EXPECT_NEAR(static_cast<double>(use.total()), static_cast<double>(need),
                0.01 * static_cast<double>(need));
    expect_where_usable(use, simulated);
    const std::vector<plan::UsableHeap> heaps = plan::usable_heaps(shown);
    const uint64_t near = plan::usable_bytes(heaps, plan::Reach::kNear);
    EXPECT_EQ(use.far_weights > 0, near < need);

    const uint64_t one_heap = shown.heaps[shown.types[first_local_type(shown)].heap].bytes;
    const double scale = static_cast<double>(sum(row)) / static_cast<double>(total) / 0x1p30;
    std::printf(
        "%-31s %6.2f GiB of model (%4.1f %% of what is usable), %6.2f far; one heap stops at %6.2f%s\n",
        GetParam().c_str(), static_cast<double>(use.total()) * scale,
        100.0 * static_cast<double>(use.total()) / static_cast<double>(usable(shown)),
        static_cast<double>(use.far_weights) * scale, static_cast<double>(one_heap) * scale,
        one_heap < use.total() ? "" : ", which is all there is");
  }
  EXPECT_EQ(simulated.live_allocations(), 0U);
}

INSTANTIATE_TEST_SUITE_P(Rows, EveryRowModel, ::testing::ValuesIn(row_names()), row_test_name);

}  // namespace
}  // namespace caldera::test
