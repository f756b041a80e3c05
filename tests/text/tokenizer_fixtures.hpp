// Tokenizers for the tests: those of real models, and small ones made up on the spot.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "gguf/file.hpp"
#include "text/tokenizer.hpp"

namespace caldera::text {

/// The environment variable, or an empty path.
inline std::filesystem::path folder_from(const char* variable) {
  const char* folder = std::getenv(variable);
  return folder == nullptr ? "" : folder;
}

/// Where the vocabulary of a golden lies: "smollm" is a model's own, the others are fetched for the tests.
inline std::filesystem::path vocabulary_path(const std::string& name) {
  std::filesystem::path cache = folder_from("XDG_CACHE_HOME");
  if (cache.empty()) cache = folder_from("HOME") / ".cache";
  cache /= "caldera";
  std::filesystem::path test_data = folder_from("CALDERA_TEST_CACHE");
  if (test_data.empty()) test_data = cache / "test-data";

  const bool model = name == "smollm";
  const std::filesystem::path path =
      model ? cache / "models/SmolLM2-135M-Instruct.Q4_1.gguf" : test_data / "tokenizer" / (name + ".gguf");
  if (!std::filesystem::exists(path)) {
    throw std::runtime_error(path.string() + " is missing: run script/" +
                             (model ? "fetch-model" : "fetch-tokenizers") + " first");
  }
  return path;
}

inline std::unique_ptr<Tokenizer> load_tokenizer(const std::string& name) {
  return Tokenizer::create(gguf::File::open(vocabulary_path(name)).metadata());
}

/// Builds metadata entry by entry.
class MetadataBuilder {
 public:
  MetadataBuilder& set(const std::string& key, gguf::Value value) {
    for (auto& [name, old] : entries_) {
      if (name == key) {
        old = std::move(value);
        return *this;
      }
    }
    entries_.emplace_back(key, std::move(value));
    return *this;
  }
  MetadataBuilder& remove(const std::string& key) {
    std::erase_if(entries_, [&](const auto& entry) { return entry.first == key; });
    return *this;
  }
  MetadataBuilder& integer(const std::string& key, uint64_t value) { return set(key, gguf::Value(value)); }
  MetadataBuilder& boolean(const std::string& key, bool value) { return set(key, gguf::Value(value)); }
  MetadataBuilder& string(const std::string& key, std::string value) {
    return set(key, gguf::Value(std::move(value)));
  }
  MetadataBuilder& strings(const std::string& key, std::vector<std::string> values) {
    return set(key, gguf::Value(gguf::Array(std::move(values))));
  }
  MetadataBuilder& integers(const std::string& key, std::vector<int64_t> values) {
    return set(key, gguf::Value(gguf::Array(std::move(values))));
  }
  MetadataBuilder& numbers(const std::string& key, std::vector<double> values) {
    return set(key, gguf::Value(gguf::Array(std::move(values))));
  }

  gguf::Metadata build() const {
    gguf::Metadata metadata;
    for (const auto& [key, value] : entries_) metadata.add({key, "", value});
    return metadata;
  }
  std::unique_ptr<Tokenizer> create() const { return Tokenizer::create(build()); }

 private:
  std::vector<std::pair<std::string, gguf::Value>> entries_;
};

/// The spellings of `tokens`, for messages and comparisons.
inline std::vector<std::string> spellings(const Tokenizer& tokenizer, const std::vector<Token>& tokens) {
  std::vector<std::string> out;
  for (const Token token : tokens) out.emplace_back(tokenizer.token_text(token));
  return out;
}

}  // namespace caldera::text
