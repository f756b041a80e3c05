// Looking for stop strings in a stream of text.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace caldera::engine {

/// Passes text on, holding back what may be the start of a stop string.
class StopStrings {
 public:
  /// Empty strings are ignored.
  explicit StopStrings(std::vector<std::string> stops);

  /// Adds text; returns what is certainly not part of a stop string. Once one is found, everything from it on
  /// is dropped and found() is true.
  std::string push(std::string_view text);
  /// What was held back, at the end of the stream.
  std::string finish();
  bool found() const { return found_; }
  const std::string& which() const { return which_; }  ///< was found

 private:
  std::vector<std::string> stops_;
  std::string held_;
  std::string which_;
  bool found_ = false;
};

}  // namespace caldera::engine
