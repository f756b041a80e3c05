// Whether a model fits a device's memory, where it would lie, and how fast it would run: arithmetic only.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "plan/footprint.hpp"
#include "plan/model_shape.hpp"
#include "plan/topology.hpp"
#include "plan/usable_heaps.hpp"

namespace caldera::plan {

/// What PCI Express 4.0 x16 reaches in practice, in GB/s.
inline constexpr double kUsualBus = 25;

struct Options {
  Use use;
  uint64_t memory_limit = 0;        ///< most bytes of near memory; 0: what the device gives
  std::optional<double> bandwidth;  ///< of near memory, in GB/s; else the topology's
  std::optional<double> bus;        ///< to far memory, in GB/s; else kUsualBus
};

/// What would lie in one heap. In bytes.
struct HeapPlan {
  uint32_t heap = 0;  ///< index into Topology::heaps
  Reach reach = Reach::kNear;
  uint64_t bytes = 0;    ///< what may be filled
  uint64_t reserve = 0;  ///< what is left to others beside that
  uint64_t weights = 0;
  uint64_t kv = 0;
  uint64_t activations = 0;
  uint64_t used() const { return weights + kv + activations; }
};

/// Where a bandwidth comes from.
enum class Basis { kGiven, kMeasured, kDatasheet };

/// Decoding, as fast as memory can be read: the roof, not a promise.
struct Speed {
  double bandwidth = 0;  ///< GB/s of near memory
  Basis basis = Basis::kGiven;
  double bus = 0;        ///< GB/s to far memory
  uint64_t weights = 0;  ///< bytes of weights that a step reads
  uint64_t far = 0;      ///< of those, across the bus
  uint64_t kv = 0;       ///< bytes of keys and values that a step reads at full context
  double empty = 0;      ///< tokens/s of each sequence after the first token
  double full = 0;       ///< tokens/s of each sequence at the end of its context
};

struct Plan {
  Footprint need;
  std::vector<HeapPlan> heaps;  ///< in the order of filling
  uint64_t near = 0;            ///< bytes to be filled at the device's speed
  uint64_t far = 0;             ///< and across the bus
  bool fits = false;
  uint64_t left = 0;           ///< if it fits
  uint64_t missing = 0;        ///< if it does not
  uint64_t far_weights = 0;    ///< that lie across the bus
  std::optional<Speed> speed;  ///< if it fits and a bandwidth is known
};

/// Weights fill near memory as far as KV memory and activations leave room; on a discrete device the rest of
/// them lies in host memory, the embedding table first if it is not the output matrix too.
Plan make_plan(const ModelShape& shape, const Topology& topology, const Options& options);

/// The longest context that fits, in tokens, up to what the model was trained for (or was asked for, if that
/// is more); 0 if none does.
uint32_t longest_context(const ModelShape& shape, const Topology& topology, Options options, KvFormats kv);

/// One of mixtures() for a model.
struct FormatFit {
  std::string_view name;
  uint64_t file_bytes = 0;
  bool computable = false;  ///< see computable()
  Plan plan;
};
/// All of them, from most to fewest bits.
std::vector<FormatFit> each_format(const ModelShape& shape, const Topology& topology, const Options& options);

/// The size of the first device-local heap: what an engine can fill that knows one heap only. 0: there is
/// none.
uint64_t first_local_heap(const Topology& topology);

/// What would make a model fit that does not, each as half a sentence; best first.
std::vector<std::string> remedies(const ModelShape& shape, const Topology& topology, const Options& options);

/// Why a model does not fit and what would, in one line: for errors.
std::string why_not(const ModelShape& shape, const Topology& topology, const Options& options);

}  // namespace caldera::plan
