// The rows of topologies.json as parameters of a test.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cctype>
#include <string>
#include <vector>

#include "plan/topology_table.hpp"

namespace caldera::test {

inline std::vector<std::string> row_names() {
  std::vector<std::string> names;
  for (const plan::Topology& row : plan::topologies()) names.push_back(row.name);
  return names;
}

/// GoogleTest allows letters, digits and underscores.
inline std::string row_test_name(const ::testing::TestParamInfo<std::string>& row) {
  std::string name = row.param;
  std::replace_if(
      name.begin(), name.end(), [](unsigned char c) { return std::isalnum(c) == 0; }, '_');
  return name;
}

}  // namespace caldera::test
