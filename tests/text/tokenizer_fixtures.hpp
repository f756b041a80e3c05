// Tokenizers for the tests: those of real models, and small ones made up on the spot.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "gguf/file.hpp"
#include "text/tokenizer.hpp"

namespace caldera::text {

/// The folder that the environment variable names, or `fallback` under the home folder.
inline std::filesystem::path cache_folder(const char* variable, const char* fallback) {
  if (const char* folder = std::getenv(variable)) return folder;
  const char* home = std::getenv("HOME");
  return std::filesystem::path(home == nullptr ? "." : home) / ".cache/caldera" / fallback;
}

/// Where the vocabulary of a golden lies: "smollm" is a model's own, the others are fetched for the tests.
inline std::filesystem::path vocabulary_path(const std::string& name) {
  const bool model = name == "smollm";
  const std::filesystem::path path =
      model ? cache_folder("CALDERA_MODELS", "models") / "SmolLM2-135M-Instruct.Q4_1.gguf"
            : cache_folder("CALDERA_TEST_CACHE", "test-data") / "tokenizer" / (name + ".gguf");
  if (!std::filesystem::exists(path)) {
    throw std::runtime_error(path.string() + " is missing: run script/" +
                             (model ? "bootstrap" : "fetch-tokenizers") + " first");
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
