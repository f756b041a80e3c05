#include "plan/plan.hpp"

#include <algorithm>
#include <cmath>

#include "plan/mixtures.hpp"

namespace caldera::plan {
namespace {

constexpr double kGB = 1e9;

uint32_t context_of(const ModelShape& shape, const Use& use) {
  return use.context > 0 ? use.context : shape.context;
}

/// The heaps as they may be filled: the memory limit cuts off the last near ones.
std::vector<HeapPlan> empty_heaps(const Topology& topology, uint64_t memory_limit) {
  uint64_t limit = memory_limit > 0 ? memory_limit : UINT64_MAX;
  std::vector<HeapPlan> heaps;
  for (const UsableHeap& usable : usable_heaps(topology)) {
    HeapPlan heap;
    heap.heap = usable.heap;
    heap.reach = usable.reach;
    heap.bytes = usable.reach == Reach::kNear ? std::min(usable.bytes, limit) : usable.bytes;
    heap.reserve = usable.reserve;
    if (usable.reach == Reach::kNear) limit -= heap.bytes;
    heaps.push_back(heap);
  }
  return heaps;
}

/// Puts `bytes` into heaps of `reach` from the first that has room on; what finds none is left out.
void fill(std::vector<HeapPlan>& heaps, Reach reach, uint64_t HeapPlan::*kind, uint64_t bytes) {
  for (HeapPlan& heap : heaps) {
    if (heap.reach != reach) continue;
    const uint64_t here = std::min(bytes, heap.bytes - heap.used());
    heap.*kind += here;
    bytes -= here;
  }
}

/// How much of the experts' weights a step of so many sequences reads: each chooses its own.
double active_experts(const ModelShape& shape, uint32_t sequences) {
  const LayerShape* layer = nullptr;
  for (const LayerShape& one : shape.layers) {
    if (one.experts > 0) layer = &one;
  }
  if (layer == nullptr) return 1;
  const double used = std::min(1.0, static_cast<double>(layer->experts_used) / layer->experts);
  return 1 - std::pow(1 - used, sequences);
}

std::optional<Speed> speed_of(const ModelShape& shape, const Topology& topology, const Options& options,
                              const Plan& plan) {
  Speed speed;
  if (options.bandwidth) {
    speed.bandwidth = *options.bandwidth;
  } else if (topology.bandwidth) {
    const bool measured = topology.bandwidth->measured > 0;
    speed.basis = measured ? Basis::kMeasured : Basis::kDatasheet;
    speed.bandwidth = measured ? topology.bandwidth->measured : topology.bandwidth->peak;
  }
  speed.bus = options.bus.value_or(kUsualBus);
  if (speed.bandwidth <= 0) return std::nullopt;

  const WeightBytes& weights = plan.need.weights;
  // Of an embedding table alone a step reads one row a token.
  const uint64_t table = shape.tied ? 0 : weights.of(Part::kEmbedding);
  const uint64_t resident = weights.total() - table;
  const uint64_t experts = weights.of(Part::kExperts);
  speed.weights =
      resident - experts +
      static_cast<uint64_t>(static_cast<double>(experts) * active_experts(shape, options.use.sequences));
  if (plan.far_weights > table && resident > 0) {
    speed.far = static_cast<uint64_t>(static_cast<double>(plan.far_weights - table) *
                                      static_cast<double>(speed.weights) / static_cast<double>(resident));
  }
  speed.kv = uint64_t{options.use.sequences} * context_of(shape, options.use) *
             kv_bytes_per_token(shape, options.use.kv);
  const double seconds =
      static_cast<double>(speed.weights - std::min(speed.far, speed.weights)) / (speed.bandwidth * kGB) +
      static_cast<double>(speed.far) / (speed.bus * kGB);
  if (seconds <= 0) return std::nullopt;
  speed.empty = 1 / seconds;
  speed.full = 1 / (seconds + static_cast<double>(speed.kv) / (speed.bandwidth * kGB));
  return speed;
}

}  // namespace

Plan make_plan(const ModelShape& shape, const Topology& topology, const Options& options) {
  Plan plan;
  plan.need = footprint(shape, options.use, topology.type, topology.matrix_units);
  plan.heaps = empty_heaps(topology, options.memory_limit);
  for (const HeapPlan& heap : plan.heaps) (heap.reach == Reach::kNear ? plan.near : plan.far) += heap.bytes;

  const uint64_t weights = plan.need.weights.total();
  const uint64_t total = plan.need.total();
  // Neither KV memory nor activations bear the bus: all of them are touched at every token.
  const uint64_t bound = plan.need.kv + plan.need.activations;
  const uint64_t capacity = plan.near + plan.far;
  plan.missing = std::max(total - std::min(total, capacity), bound - std::min(bound, plan.near));
  plan.fits = plan.missing == 0;
  plan.left = plan.fits ? capacity - total : 0;

  // What does not fit is shown in the order in which it would be loaded.
  const uint64_t kept = plan.fits ? bound : 0;
  const uint64_t near_weights = std::min(weights, plan.near - kept);
  plan.far_weights = std::min(weights - near_weights, plan.far);
  fill(plan.heaps, Reach::kNear, &HeapPlan::weights, near_weights);
  fill(plan.heaps, Reach::kNear, &HeapPlan::activations, plan.need.activations);
  fill(plan.heaps, Reach::kNear, &HeapPlan::kv, plan.need.kv);
  fill(plan.heaps, Reach::kFar, &HeapPlan::weights, plan.far_weights);
  if (plan.fits) plan.speed = speed_of(shape, topology, options, plan);
  return plan;
}

uint32_t longest_context(const ModelShape& shape, const Topology& topology, Options options, KvFormats kv) {
  options.use.kv = kv;
  const auto fits = [&](uint32_t context) {
    options.use.context = context;
    return make_plan(shape, topology, options).fits;
  };
  const uint32_t most = std::max(shape.context, options.use.context);
  if (fits(most)) return most;
  uint32_t low = 0;  // in pages: the most that is known to fit
  uint32_t high = most / kPageTokens + 1;
  while (low + 1 < high) {
    const uint32_t middle = low + (high - low) / 2;
    if (fits(middle * kPageTokens)) {
      low = middle;
    } else {
      high = middle;
    }
  }
  return low * kPageTokens;
}

std::vector<FormatFit> each_format(const ModelShape& shape, const Topology& topology,
                                   const Options& options) {
  std::vector<FormatFit> fits;
  for (const Mixture& mixture : mixtures()) {
    const ModelShape other = mixed(shape, mixture);
    fits.push_back({mixture.name, file_bytes(other), computable(other), make_plan(other, topology, options)});
  }
  return fits;
}

uint64_t first_local_heap(const Topology& topology) {
  for (const Heap& heap : topology.heaps) {
    if (heap.device_local) return heap.bytes;
  }
  return 0;
}

}  // namespace caldera::plan
