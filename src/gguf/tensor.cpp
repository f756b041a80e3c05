#include <fmt/core.h>

#include "caldera/error.hpp"
#include "gguf/file.hpp"
#include "gguf/printable.hpp"
#include "quant/gguf_types.hpp"

namespace caldera::gguf {

uint64_t Tensor::elements() const {
  return columns() * rows();
}

uint64_t Tensor::rows() const {
  uint64_t rows = 1;
  for (size_t d = 1; d < shape.size(); ++d) rows *= shape[d];
  return rows;
}

quant::Format Tensor::format() const {
  if (const auto format = quant::format_from_gguf(type)) return *format;
  throw Error(
      ErrorKind::kUnsupported,
      fmt::format("tensor {} is in {}, a format that Caldera does not compute with; get the model in another",
                  quote(name), quant::gguf_type_name(type)));
}

}  // namespace caldera::gguf
