#include "engine/work.hpp"

#include <algorithm>

namespace caldera::engine {
namespace {

/// Keys that all tokens together see.
double keys_seen(const PassTokens& tokens, uint32_t window) {
  const double first = tokens.first + 1.0;
  const double columns = tokens.columns;
  const double last = tokens.neighbours ? first + columns - 1 : first;
  if (window == 0 || last <= window) return columns * (first + last) / 2;
  if (!tokens.neighbours) return columns * window;
  const double growing = std::clamp(window - first, 0.0, columns);  // tokens that see less than the window
  return growing * (first + first + growing - 1) / 2 + (columns - growing) * window;
}

}  // namespace

Work OperationWork::of(const PassTokens& tokens) const {
  Work work;
  work.matrix = fixed + per_column * tokens.columns;
  if (per_key > 0) work.attention = per_key * keys_seen(tokens, window);
  return work;
}

Work sum_of(std::span<const OperationWork> operations, const PassTokens& tokens) {
  Work sum;
  for (const OperationWork& operation : operations) sum += operation.of(tokens);
  return sum;
}

std::vector<OperationWork> merged(std::span<const OperationWork> operations) {
  std::vector<OperationWork> few;
  for (const OperationWork& operation : operations) {
    auto same = std::find_if(few.begin(), few.end(),
                             [&](const OperationWork& one) { return one.window == operation.window; });
    if (same == few.end()) same = few.insert(few.end(), {.window = operation.window});
    same->fixed += operation.fixed;
    same->per_column += operation.per_column;
    same->per_key += operation.per_key;
  }
  return few;
}

}  // namespace caldera::engine
