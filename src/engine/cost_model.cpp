#include "engine/cost_model.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <iterator>

namespace caldera::engine {
namespace {

/// A unit of attention beside one of matrix work, where nothing is known of it: its products are small, and
/// in steps it reads keys and values for few multiply-adds.
constexpr double kAttentionUnit = 3;
/// How much that is believed beside a sample that is all attention.
constexpr double kBelief = 0.02;
/// For what was never measured: kernels for other sizes, caches that are too small for them.
constexpr double kCaution = 1.25;
/// Seconds of other work after which a class may have become faster.
constexpr double kLong = 2;

}  // namespace

WorkClass work_class(PassKind kind, uint32_t columns) {
  return {kind, static_cast<uint32_t>(std::bit_width(std::max(columns, 1U) - 1))};
}

size_t CostModel::share_of(const Work& work) {
  // Attention beside matrix work: under 1/16, 1/8, ... 8, and more.
  if (work.attention * 16 < work.matrix) return 0;
  if (work.attention >= work.matrix * 8) return kShares - 1;
  const int power = std::ilogb(work.attention / work.matrix);  // -4 to 2
  return static_cast<size_t>(std::clamp(power + 5, 1, static_cast<int>(kShares) - 2));
}

CostModel::Sample CostModel::median(const Share& share, const Speed& speed) {
  const auto slowness = [&](const Sample& sample) { return sample.seconds / speed.of(sample.work); };
  Share sorted = share;
  std::ranges::sort(sorted, {}, slowness);
  return sorted[sorted.size() / 2];  // of two the slower
}

CostModel::Speed CostModel::fitted(const Learned& learned) {
  // First one speed for both kinds, in a fixed proportion: from the share with the most matrix work.
  Speed speed{1, kAttentionUnit};
  for (const Share& share : learned.shares) {
    if (share.empty()) continue;
    const Sample sample = median(share, speed);
    const double factor = sample.seconds / speed.of(sample.work);
    speed = {factor, kAttentionUnit * factor};
    break;
  }
  // Then the least squares of relative errors over the medians of all shares, drawn a little towards that
  // proportion, which decides where no sample has much attention.
  double mm = 0;
  double ma = 0;
  double aa = kBelief / (speed.attention * speed.attention);
  double m = 0;
  double a = kBelief / speed.attention;
  for (const Share& share : learned.shares) {
    if (share.empty()) continue;
    const Sample sample = median(share, speed);
    const double x = sample.work.matrix / sample.seconds;
    const double y = sample.work.attention / sample.seconds;
    mm += x * x;
    ma += x * y;
    aa += y * y;
    m += x;
    a += y;
  }
  const double determinant = mm * aa - ma * ma;
  const Speed solved{(m * aa - a * ma) / determinant, (a * mm - m * ma) / determinant};
  const bool sound = determinant > 0 && solved.matrix > 0 && solved.attention > 0 &&
                     std::isfinite(solved.matrix) && std::isfinite(solved.attention);
  return sound ? solved : speed;
}

void CostModel::observe(const WorkClass& of, const Work& work, double seconds) {
  if (!(work.matrix + work.attention > 0) || !(seconds > 0) || !std::isfinite(seconds)) return;
  now_ += seconds;
  Learned& learned = classes_[of];
  const bool stale = now_ - seconds > learned.observed + kLong;
  learned.observed = now_;
  Share& share = learned.shares[share_of(work)];
  if (stale) share.clear();
  if (share.size() == kKept) share.erase(share.begin());
  share.push_back({work, seconds});
  learned.speed = fitted(learned);
  for (size_t i = 0; i < kShares; ++i) {
    if (learned.shares[i].empty()) continue;
    const Sample sample = median(learned.shares[i], learned.speed);
    learned.correction[i] = sample.seconds / learned.speed.of(sample.work);
  }
}

double CostModel::seconds(const Learned& learned, const Work& work) {
  const size_t share = share_of(work);
  for (size_t distance = 0; distance < kShares; ++distance) {
    // Of two as near, the one with more attention.
    if (share + distance < kShares && learned.correction[share + distance] > 0)
      return learned.correction[share + distance] * learned.speed.of(work);
    if (share >= distance && learned.correction[share - distance] > 0)
      return learned.correction[share - distance] * learned.speed.of(work);
  }
  return learned.speed.of(work);
}

std::optional<double> CostModel::from_neighbours(const WorkClass& of, const Work& work) const {
  const auto above = classes_.upper_bound(of);
  const bool more = above != classes_.end() && above->first.kind == of.kind;
  const bool fewer = above != classes_.begin() && std::prev(above)->first.kind == of.kind;
  if (more && fewer) {
    const auto below = std::prev(above);
    const double place = static_cast<double>(of.doublings - below->first.doublings) /
                         (above->first.doublings - below->first.doublings);
    return std::pow(seconds(below->second, work), 1 - place) * std::pow(seconds(above->second, work), place);
  }
  // A unit takes no longer in a larger batch. In a smaller one it does, but the batch takes no longer:
  // between the two lies the square root.
  if (fewer) return kCaution * seconds(std::prev(above)->second, work);
  if (more) return std::exp2(0.5 * (above->first.doublings - of.doublings)) * seconds(above->second, work);
  return std::nullopt;
}

bool CostModel::knows(PassKind kind) const {
  const auto first = classes_.lower_bound({kind, 0});
  return first != classes_.end() && first->first.kind == kind;
}

double CostModel::seconds(const WorkClass& of, const Work& work) const {
  if (const auto found = classes_.find(of); found != classes_.end()) {
    double own = seconds(found->second, work);
    for (auto fewer = classes_.lower_bound({of.kind, 0}); fewer != found; ++fewer) {
      if (fewer->second.observed > found->second.observed + kLong)
        own = std::min(own, kCaution * seconds(fewer->second, work));
    }
    return own;
  }
  if (const std::optional<double> near = from_neighbours(of, work)) return *near;
  // Another kind of pass for as many columns, else what was guessed at first.
  for (const PassKind kind : {PassKind::kRead, PassKind::kStep}) {
    if (kind == of.kind) continue;
    const WorkClass other{kind, of.doublings};
    if (const auto found = classes_.find(other); found != classes_.end())
      return 2 * kCaution * seconds(found->second, work);
    if (const std::optional<double> near = from_neighbours(other, work)) return 2 * kCaution * *near;
  }
  return first_guess_ * (work.matrix + kAttentionUnit * work.attention);
}

}  // namespace caldera::engine
