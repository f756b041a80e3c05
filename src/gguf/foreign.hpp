// What a file is that is not a GGUF.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace caldera::gguf {

/// What a file with these first bytes (some hundred, or all) and this length looks like and what to do about
/// it, as the end of a sentence: "it looks like a zip archive, as PyTorch writes them; convert it to GGUF".
/// Empty if it looks like nothing known.
std::string_view describe_foreign(std::span<const std::byte> start, uint64_t file_bytes);

}  // namespace caldera::gguf
