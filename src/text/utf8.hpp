// UTF-8: validity, and holding back the bytes of a character that is not complete yet.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace caldera::text {

/// Offset of the first byte that is not part of valid UTF-8 (Unicode 15, table 3-7), or npos if all is valid.
size_t find_invalid_utf8(std::string_view text);

/// `text` with every maximal invalid part replaced by U+FFFD.
std::string replace_invalid_utf8(std::string_view text);

/// Passes a stream of token pieces on in whole characters.
class Utf8Stream {
 public:
  /// Takes the next bytes and returns what is complete; invalid bytes become U+FFFD.
  std::string push(std::string_view bytes);
  /// What was held back, as U+FFFD, at the end of the stream.
  std::string finish();

 private:
  std::string held_;  // at most 3 bytes
};

}  // namespace caldera::text
