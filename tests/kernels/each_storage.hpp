// Runs a test once for every format in either storage: "Q4_K" and "Q4_K_file".
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "kernels/kernels.hpp"
#include "quant/each_format.hpp"

namespace caldera::kernels {

struct StoredFormat {
  quant::Format format;
  Storage storage;
};

inline std::string stored_name(const StoredFormat& stored) {
  return std::string(quant::info(stored.format).name) + (stored.storage == Storage::kFile ? "_file" : "");
}

inline auto every_stored_format() {
  std::vector<StoredFormat> all;
  for (const quant::FormatInfo& row : quant::formats()) {
    all.push_back({row.format, Storage::kResident});
    all.push_back({row.format, Storage::kFile});
  }
  return ::testing::ValuesIn(all);
}

inline std::string stored_test_name(const ::testing::TestParamInfo<StoredFormat>& test) {
  return stored_name(test.param);
}

inline void PrintTo(const StoredFormat& stored, std::ostream* out) {
  *out << stored_name(stored);
}

}  // namespace caldera::kernels
