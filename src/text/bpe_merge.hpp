// Byte-pair merging: the step that byte-level and SentencePiece vocabularies share.
#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>
#include <optional>
#include <vector>

#include "text/tokenizer.hpp"

namespace caldera::text {

/// A run of a word's bytes that is one token so far.
struct BpeSymbol {
  uint32_t begin;   ///< byte offset in the word
  uint32_t length;  ///< bytes; 0 once it has been merged into its left neighbour
  Token token;      ///< -1 if the vocabulary has no token for it
};

/// What two neighbours merge to.
struct BpeMerge {
  uint32_t rank = 0;  ///< the lowest in the word goes first, the leftmost among equals
  Token token = -1;
};

/// Merges the symbols of one word, best pair first, until no pair merges: O(n log n). Keeps its memory from
/// word to word.
class BpeMerger {
 public:
  std::vector<BpeSymbol>& symbols() { return symbols_; }  ///< fill with the word before run()

  /// `lookup(left, right)` gives the std::optional<BpeMerge> of two neighbouring symbols. Afterwards
  /// symbols() holds the result.
  template <typename Lookup>
  void run(const Lookup& lookup) {
    const auto count = static_cast<uint32_t>(symbols_.size());
    if (count < 2) return;
    links_.resize(count);
    queue_.clear();
    for (uint32_t i = 0; i < count; ++i) links_[i] = {i == 0 ? kNone : i - 1, i + 1 == count ? kNone : i + 1};
    for (uint32_t i = 0; i + 1 < count; ++i) propose(i, i + 1, lookup);
    std::make_heap(queue_.begin(), queue_.end());
    while (!queue_.empty()) {
      std::pop_heap(queue_.begin(), queue_.end());
      const Candidate best = queue_.back();
      queue_.pop_back();
      apply(best, lookup);
    }
    std::erase_if(symbols_, [](const BpeSymbol& symbol) { return symbol.length == 0; });
  }

 private:
  static constexpr uint32_t kNone = std::numeric_limits<uint32_t>::max();

  struct Links {
    uint32_t previous;
    uint32_t next;
  };
  struct Candidate {
    uint32_t rank;
    uint32_t left;
    uint32_t right;
    uint32_t length;  // of both together, to notice that one has grown meanwhile
    Token token;

    /// Worse first: the order of a heap whose top is the best.
    bool operator<(const Candidate& other) const {
      return rank != other.rank ? rank > other.rank : left > other.left;
    }
  };

  template <typename Lookup>
  bool propose(uint32_t left, uint32_t right, const Lookup& lookup) {
    const std::optional<BpeMerge> merge = lookup(symbols_[left], symbols_[right]);
    if (!merge) return false;
    queue_.push_back(
        {merge->rank, left, right, symbols_[left].length + symbols_[right].length, merge->token});
    return true;
  }

  template <typename Lookup>
  void apply(const Candidate& best, const Lookup& lookup) {
    BpeSymbol& left = symbols_[best.left];
    BpeSymbol& right = symbols_[best.right];
    if (left.length == 0 || right.length == 0 || left.length + right.length != best.length) return;
    left.length = best.length;
    left.token = best.token;
    right.length = 0;
    const uint32_t next = links_[best.right].next;
    const uint32_t previous = links_[best.left].previous;
    links_[best.left].next = next;
    if (next != kNone) {
      links_[next].previous = best.left;
      if (propose(best.left, next, lookup)) std::push_heap(queue_.begin(), queue_.end());
    }
    if (previous != kNone && propose(previous, best.left, lookup))
      std::push_heap(queue_.begin(), queue_.end());
  }

  std::vector<BpeSymbol> symbols_;
  std::vector<Links> links_;
  std::vector<Candidate> queue_;
};

}  // namespace caldera::text
