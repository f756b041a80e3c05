// The header of one GGUF file: metadata and the places of tensors, read and checked.
#pragma once

#include <cstdint>
#include <vector>

#include "gguf/cursor.hpp"
#include "gguf/file.hpp"
#include "gguf/metadata.hpp"

namespace caldera::gguf {

struct Header {
  uint32_t version;
  Metadata metadata;
  std::vector<Tensor> tensors;  ///< in the order of the file; Tensor::file is 0
};

/// Reads and checks a header from its first byte; `file_bytes` is the length of the whole file, tensors
/// included. Errors: kFormat, and kUnsupported for versions and byte orders that Caldera does not read.
Header parse_header(Cursor& cursor, uint64_t file_bytes);

}  // namespace caldera::gguf
