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

std::string without_layer(const std::string& name) {
  constexpr std::string_view kPrefix = "blk.";
  if (!name.starts_with(kPrefix)) return name;
  const size_t end = name.find_first_not_of("0123456789", kPrefix.size());
  if (end == kPrefix.size() || end == std::string::npos) return name;
  return fmt::format("{}N{}", kPrefix, name.substr(end));
}

}  // namespace caldera::gguf
