// Where a pass may be cut into parts that are submitted one by one.
#pragma once

#include <compare>
#include <cstdint>
#include <span>
#include <vector>

#include "engine/work.hpp"

namespace caldera::engine {

/// Operations [begin, end) of a pass.
struct OperationRun {
  uint32_t begin = 0;
  uint32_t end = 0;
  // NOLINTNEXTLINE(modernize-use-nullptr): clang-tidy 14 takes the zero of a comparison for a pointer
  auto operator<=>(const OperationRun&) const = default;
};

/// A pass cut into halves again and again, down to single heavy operations, as a tree. Whichever parts are
/// taken from it, a pass has few different ones, and as few recordings.
class PassCuts {
 public:
  explicit PassCuts(std::span<const OperationWork> operations);

  struct Node {
    OperationRun run;
    uint32_t first = 0;  ///< index of the first half; 0: cannot be cut
    uint32_t second = 0;
  };
  /// All nodes; the whole pass is the first.
  std::span<const Node> nodes() const { return nodes_; }

 private:
  std::vector<Node> nodes_;
};

}  // namespace caldera::engine
