// The list of tensors in a header, and where in the file they lie.
#pragma once

#include <cstdint>
#include <vector>

#include "gguf/cursor.hpp"
#include "gguf/file.hpp"

namespace caldera::gguf {

/// The least bytes that a tensor's entry takes: a length, one letter, the number of dimensions, one, type and
/// offset.
inline constexpr uint64_t kLeastTensorBytes = 8 + 1 + 4 + 8 + 4 + 8;

/// Reads `count` entries. Offsets are still relative to the data; bytes is 0 where the type's layout is not
/// known. Errors: kFormat.
std::vector<Tensor> parse_tensors(Cursor& cursor, uint64_t count);

/// With the cursor at the end of the header: makes offsets absolute and sizes tensors of unknown layout (they
/// reach to the next tensor), and checks that each lies inside the file and none upon another. Errors:
/// kFormat.
void place_tensors(const Cursor& cursor, uint64_t alignment, uint64_t file_bytes,
                   std::vector<Tensor>& tensors);

}  // namespace caldera::gguf
