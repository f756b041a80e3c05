#include "plan/kv_format.hpp"

#include <algorithm>

namespace caldera::plan {

std::string_view kv_name(KvFormat format) {
  switch (format) {
    case KvFormat::kF16:
      return "f16";
    case KvFormat::kQ8_0:
      return "q8_0";
    case KvFormat::kQ4_0:
      break;
  }
  return "q4_0";
}

std::string kv_name(KvFormats formats) {
  std::string name(kv_name(formats.keys));
  if (formats.values != formats.keys) name.append("/").append(kv_name(formats.values));
  return name;
}

uint32_t head_against(const ModelShape& shape, KvFormats formats) {
  if (formats == KvFormat::kF16) return 0;
  const auto found =
      std::ranges::find_if(shape.layers, [](const LayerShape& layer) { return layer.head % kKvBlock != 0; });
  return found == shape.layers.end() ? 0 : found->head;
}

}  // namespace caldera::plan
