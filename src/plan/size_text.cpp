#include "plan/size_text.hpp"

#include <fmt/format.h>

namespace caldera::plan {

std::string size_text(uint64_t bytes) {
  const double mib = static_cast<double>(bytes) / (1U << 20);
  return mib < 1024 ? fmt::format("{:.1f} MiB", mib) : fmt::format("{:.2f} GiB", mib / 1024);
}

}  // namespace caldera::plan
