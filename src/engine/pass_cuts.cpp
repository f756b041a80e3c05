#include "engine/pass_cuts.hpp"

#include <cmath>

namespace caldera::engine {
namespace {

/// What halves are of equal work for: attention and products of a layer are then of the same order in usual
/// models, so that wherever layers have to be parted the two are.
constexpr PassTokens kUsual{.columns = 256, .first = 8192, .neighbours = true};

/// The cut that leaves the most equal halves of work, each with a heavy operation; the run's end where there
/// is none. `before` (operations + 1): work before each operation.
uint32_t middle(std::span<const OperationWork> operations, const std::vector<double>& before,
                OperationRun run) {
  uint32_t last_heavy = run.begin;
  for (uint32_t i = run.begin; i < run.end; ++i) {
    if (operations[i].heavy) last_heavy = i;
  }
  const double half = (before[run.begin] + before[run.end]) / 2;
  uint32_t best = run.end;
  for (uint32_t i = run.begin; i < last_heavy; ++i) {
    if (!operations[i].heavy) continue;
    if (best == run.end || std::abs(before[i + 1] - half) < std::abs(before[best] - half)) best = i + 1;
  }
  return best;
}

}  // namespace

PassCuts::PassCuts(std::span<const OperationWork> operations) {
  std::vector<double> before{0};
  for (const OperationWork& operation : operations) {
    const Work work = operation.of(kUsual);
    before.push_back(before.back() + work.matrix + work.attention);
  }
  nodes_.push_back({{0, static_cast<uint32_t>(operations.size())}});
  for (uint32_t i = 0; i < nodes_.size(); ++i) {
    const OperationRun run = nodes_[i].run;
    const uint32_t cut = middle(operations, before, run);
    if (cut == run.end) continue;
    nodes_[i].first = static_cast<uint32_t>(nodes_.size());
    nodes_[i].second = nodes_[i].first + 1;
    nodes_.push_back({{run.begin, cut}});
    nodes_.push_back({{cut, run.end}});
  }
}

}  // namespace caldera::engine
