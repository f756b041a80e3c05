// Unicode normalization form C, which some tokenizers ask for.
#pragma once

#include <string>
#include <string_view>

namespace caldera::text {

/// `text` (valid UTF-8) in form C, held in `storage` unless it is in that form already. Text that hangs more
/// than 128 combining marks on one character is left as it is: sorting them takes quadratic time, and no
/// language has them (Unicode's Stream-Safe Text Format allows 30).
std::string_view normalize_nfc(std::string_view text, std::string& storage);

}  // namespace caldera::text
