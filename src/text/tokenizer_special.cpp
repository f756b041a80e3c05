#include "text/tokenizer_special.hpp"

#include <algorithm>
#include <cstdint>

namespace caldera::text {

SpecialMatcher::SpecialMatcher(std::vector<std::pair<std::string, Token>> spellings)
    : sorted_(std::move(spellings)) {
  std::erase_if(sorted_, [](const auto& entry) { return entry.first.empty(); });
  std::sort(sorted_.begin(), sorted_.end());
  const auto same = [](const auto& a, const auto& b) { return a.first == b.first; };
  sorted_.erase(std::unique(sorted_.begin(), sorted_.end(), same), sorted_.end());
  for (const auto& [spelling, token] : sorted_) starts_[static_cast<uint8_t>(spelling[0])] = true;
}

SpecialMatcher::Match SpecialMatcher::next(std::string_view text, size_t from) const {
  if (sorted_.empty()) return {};
  for (size_t at = from; at < text.size(); ++at) {
    if (!starts_[static_cast<uint8_t>(text[at])]) continue;
    const Match match = longest_at(text, at);
    if (match.length > 0) return match;
  }
  return {};
}

/// Narrows the sorted range to the spellings that agree with the text so far, byte by byte: the cost depends
/// on the length of the spellings, and hardly on how many there are.
SpecialMatcher::Match SpecialMatcher::longest_at(std::string_view text, size_t begin) const {
  Match best;
  auto low = sorted_.begin();
  auto high = sorted_.end();
  for (size_t depth = 0; begin + depth < text.size(); ++depth) {
    const auto byte = static_cast<uint8_t>(text[begin + depth]);
    const auto at_depth = [depth](const auto& entry) { return static_cast<uint8_t>(entry.first[depth]); };
    low = std::partition_point(low, high, [&](const auto& entry) { return at_depth(entry) < byte; });
    high = std::partition_point(low, high, [&](const auto& entry) { return at_depth(entry) == byte; });
    if (low == high) break;
    if (low->first.size() == depth + 1) {
      best = {begin, depth + 1, low->second};
      if (++low == high) break;  // what is left in the range is longer
    }
  }
  return best;
}

}  // namespace caldera::text
