// The spelling of bytes in byte-level vocabularies: a printable character for each ("Ġ" is the space).
// Source: bytes_to_unicode in https://github.com/openai/gpt-2/blob/master/src/encoder.py
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace caldera::text {

/// The character that stands for `byte`, as UTF-8.
std::string_view byte_spelling(uint8_t byte);

/// The bytes that `spelling` (valid UTF-8) stands for; characters that stand for no byte are kept as they
/// are.
std::string spelled_bytes(std::string_view spelling);

}  // namespace caldera::text
