// Finds special tokens in text.
#pragma once

#include <array>
#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "text/tokenizer.hpp"

namespace caldera::text {

/// A set of spellings that are read from text as one token each.
class SpecialMatcher {
 public:
  struct Match {
    size_t begin = std::string_view::npos;  ///< byte offset; npos if nothing was found
    size_t length = 0;
    Token token = -1;
  };

  /// Empty spellings are left out; of equal ones the first counts.
  explicit SpecialMatcher(std::vector<std::pair<std::string, Token>> spellings);

  /// The leftmost match at or after `from`; the longest one there.
  Match next(std::string_view text, size_t from) const;

 private:
  Match longest_at(std::string_view text, size_t begin) const;

  std::vector<std::pair<std::string, Token>> sorted_;  // by spelling
  std::array<bool, 256> starts_{};                     // the first bytes of all spellings
};

}  // namespace caldera::text
