// What a piece of a model's text means.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace caldera::server {

struct AnswerDelta {
  enum class Kind {
    kReasoning,      ///< what the model thinks before it answers
    kContent,        ///< the answer
    kToolCall,       ///< a call begins: `text` is the tool's name
    kToolArguments,  ///< JSON of the last call, as it comes
  };
  Kind kind = Kind::kContent;
  std::string text;
  uint32_t call = 0;  ///< of the last two kinds: which, counted from 0

  bool operator==(const AnswerDelta&) const = default;
};

/// Appends to the last delta where that is of the same kind.
void add_delta(std::vector<AnswerDelta>& deltas, AnswerDelta::Kind kind, std::string_view text,
               uint32_t call = 0);

/// Length of the longest end of `text` with which `marker` may begin, below the marker's own.
size_t held_back(std::string_view text, std::string_view marker);

/// Length of the white space that `text` ends with; 0 where it is more than any model writes between two
/// things, so that what is held back stays small.
size_t held_space(std::string_view text);
/// Length of the white space that `text` begins with.
size_t leading_space(std::string_view text);

}  // namespace caldera::server
