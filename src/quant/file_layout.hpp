// The file's layout: how rows of weights lie in a GGUF file, for a device that reads the mapped file itself.
//
// A row is its blocks, one after the other, and the next row follows without padding. So rows begin on any
// multiple of the largest power of two that divides a block's bytes: 2 in most formats, 16 in Q4_K and Q5_K,
// 1 in MXFP4.
#pragma once

#include "quant/resident.hpp"

namespace caldera::quant {

/// The layout of rows of `columns` weights in a file: row_bytes is no multiple of 16, and there are no
/// planes. Errors: as row_layout().
RowLayout file_layout(Format format, uint64_t columns);

/// What the first byte of a tensor or of any of its rows must be a multiple of, in a file and in memory, for
/// kernels to read it in the file's layout: 1 to 16. A file whose general.alignment is below 16 may break it.
uint32_t file_alignment(Format format);

}  // namespace caldera::quant
