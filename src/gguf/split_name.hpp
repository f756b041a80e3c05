// Names of the files of a split model: MODEL-00002-of-00005.gguf.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>

namespace caldera::gguf {

struct SplitName {
  std::filesystem::path model;  ///< folder and name in front of "-00002-of-00005.gguf"
  uint32_t number;              ///< from 1
  uint32_t count;
};

/// The most files that a set can have: split.no and split.count are 16 bits wide.
inline constexpr uint32_t kMaxSplits = 65535;

/// Takes the name of a split apart; nothing if it is not such a name.
std::optional<SplitName> parse_split_name(const std::filesystem::path& path);

/// The path of one file of a set.
std::filesystem::path split_path(const std::filesystem::path& model, uint32_t number, uint32_t count);

}  // namespace caldera::gguf
