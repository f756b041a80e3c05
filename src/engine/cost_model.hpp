// How long work takes on a device, learned from how long earlier work took.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <map>
#include <optional>
#include <vector>

#include "engine/work.hpp"

namespace caldera::engine {

enum class PassKind : uint8_t {
  kRead,    ///< layers, for tokens of a prompt
  kHead,    ///< from the last layer's output to logits, and the sampler
  kStep,    ///< layers (and what follows them) of a decode step
  kHidden,  ///< the output norm of all tokens of a prompt
};

/// Work that the same kernels do, so that one speed holds for it.
struct WorkClass {
  PassKind kind = PassKind::kRead;
  uint32_t doublings = 0;  ///< columns, rounded up to a power of two: 2^doublings
  // NOLINTNEXTLINE(modernize-use-nullptr): clang-tidy 14 takes the zero of a comparison for a pointer
  auto operator<=>(const WorkClass&) const = default;
};
WorkClass work_class(PassKind kind, uint32_t columns);

/// For each class, seconds of a unit of matrix work and of attention. Speeds of kinds and sizes differ by
/// orders of magnitude and nothing is known of a device at first, so each is taken from what was measured,
/// and where nothing was, from the nearest size with caution.
///
/// Samples are kept apart by the share of attention in them, the last few of each share, and their median
/// counts: what a single one says that was slowed by others on the device is no matter, and what changes for
/// good is believed after the third. From the medians of all shares, the two speeds are solved for. What was
/// not measured for long is believed no more than smaller batches allow: else a batch that was slow once, and
/// is avoided since, would be avoided for ever.
class CostModel {
 public:
  /// `units_per_second`: of matrix work, before anything is known; rather too few.
  explicit CostModel(double units_per_second) : first_guess_(1 / units_per_second) {}

  /// That work of this class took so long. Nothing is learned of no work, or no time.
  void observe(const WorkClass& of, const Work& work, double seconds);
  /// How long it will take.
  double seconds(const WorkClass& of, const Work& work) const;
  /// Whether anything of this kind was measured.
  bool knows(PassKind kind) const;

 private:
  static constexpr size_t kShares = 9;
  static constexpr size_t kKept = 5;
  struct Sample {
    Work work;
    double seconds = 0;
  };
  /// The last samples with one share of attention, at most kKept, the oldest first.
  using Share = std::vector<Sample>;
  /// Seconds of a unit.
  struct Speed {
    double matrix = 0;
    double attention = 0;
    double of(const Work& work) const { return matrix * work.matrix + attention * work.attention; }
  };
  struct Learned {
    std::array<Share, kShares> shares;
    Speed speed;
    double observed = 0;                       ///< when it was last
    std::array<double, kShares> correction{};  ///< median of measured over what `speed` says; 0: no sample
  };

  static size_t share_of(const Work& work);
  /// The sample in the middle, by how much longer it took than `speed` says.
  static Sample median(const Share& share, const Speed& speed);
  static Speed fitted(const Learned& learned);
  static double seconds(const Learned& learned, const Work& work);
  /// From classes of the same kind with more and with fewer columns; nothing: there are none.
  std::optional<double> from_neighbours(const WorkClass& of, const Work& work) const;

  std::map<WorkClass, Learned> classes_;
  double now_ = 0;      ///< seconds of work observed so far
  double first_guess_;  ///< seconds of a unit
};

}  // namespace caldera::engine
