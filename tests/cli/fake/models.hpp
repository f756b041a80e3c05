// Models for the fake engine, and where its program keeps things.
#pragma once

#include "cli/process.hpp"

namespace caldera::test {

/// A model file whose first line tells the fake engine how to behave ("fake", "fake slow", ...).
inline std::string fake_model(const TemporaryFolder& folder, const std::string& behaviour = "fake") {
  const auto path = folder / "model";
  write_file(path, behaviour + "\n");
  return path.string();
}

}  // namespace caldera::test
