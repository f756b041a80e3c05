// Runs a test once for every format, under the format's name.
#pragma once

#include <gtest/gtest.h>

#include <string>

#include "quant/format.hpp"

namespace caldera::quant {

inline auto every_format() {
  return ::testing::ValuesIn(formats().begin(), formats().end());
}

inline std::string format_name(const ::testing::TestParamInfo<FormatInfo>& test) {
  return std::string(test.param.name);
}

inline void PrintTo(const FormatInfo& row, std::ostream* out) {
  *out << row.name;
}

}  // namespace caldera::quant
