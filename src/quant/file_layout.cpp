#include "quant/file_layout.hpp"

#include <algorithm>

namespace caldera::quant {

RowLayout file_layout(Format format, uint64_t columns) {
  row_layout(format, columns);  // the same widths can be computed with
  RowLayout layout;
  layout.row_bytes = static_cast<uint32_t>(bytes_for(format, columns));
  return layout;
}

uint32_t file_alignment(Format format) {
  const uint32_t unit_bytes =
      static_cast<uint32_t>(bytes_for(format, std::max(info(format).block_elements, kUnit)));
  // The widest load is of 16 bytes.
  return std::min(unit_bytes & (~unit_bytes + 1), 16U);
}

}  // namespace caldera::quant
