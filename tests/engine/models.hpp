// The models that tests run, each loaded once a program, with validation on.
#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <map>
#include <memory>
#include <string>

#include "caldera/caldera.hpp"
#include "engine/engine.hpp"

namespace caldera::test {

inline std::filesystem::path data(const std::string& name) {
  return std::filesystem::path(CALDERA_TEST_DATA) / "model" / name;
}

/// SmolLM2, which script/fetch-model gets.
inline std::filesystem::path smollm2() {
  const char* folder = std::getenv("CALDERA_MODELS");
  const char* home = std::getenv("HOME");
  const std::filesystem::path models =
      folder != nullptr ? std::filesystem::path(folder)
                        : std::filesystem::path(home != nullptr ? home : "") / ".cache/caldera/models";
  const std::filesystem::path path = models / "SmolLM2-135M-Instruct.Q4_1.gguf";
  if (!std::filesystem::exists(path)) {
    throw std::runtime_error("run script/fetch-model first: there is no " + path.string());
  }
  return path;
}

/// Loads with Khronos validation and synchronization checks.
inline std::shared_ptr<Model> load(const std::filesystem::path& path, LoadOptions options = {}) {
  options.validation = true;
  return Model::load(path, options);
}

/// SmolLM2 with room for three sessions, kept for the whole program.
inline const std::shared_ptr<Model>& shared_smollm2() {
  static const std::shared_ptr<Model> model = load(smollm2(), {.context = 1024, .sequences = 3});
  return model;
}

inline void expect_valid(const Model& model) {
  EXPECT_TRUE(model.engine().validation_messages().empty()) << model.engine().validation_messages()[0];
}

/// Greedy options for exactly `tokens` tokens.
inline GenerateOptions greedy(uint32_t tokens) {
  GenerateOptions options;
  options.sampling.temperature = 0;
  options.max_tokens = tokens;
  options.ignore_end = true;
  return options;
}

}  // namespace caldera::test
