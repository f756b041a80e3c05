// The key-value part of a header.
#pragma once

#include <cstdint>

#include "gguf/cursor.hpp"
#include "gguf/metadata.hpp"

namespace caldera::gguf {

/// The least bytes that a key takes with its value: a length, one letter, a type, one byte.
inline constexpr uint64_t kLeastKeyBytes = 8 + 1 + 4 + 1;

/// Reads `keys` keys with their values. Errors: kFormat.
Metadata parse_metadata(Cursor& cursor, uint64_t keys);

}  // namespace caldera::gguf
