// Conversations kept in files: JSON, written whole or not at all.
#pragma once

#include <filesystem>
#include <vector>

#include "caldera/model.hpp"

namespace caldera::cli {

/// Writes to a temporary name beside `path`, then renames: a crash leaves the old file or the new one.
/// Readable by its owner only. Errors: kFile.
void save_conversation(const std::filesystem::path& path, const std::vector<Message>& messages);

/// Errors: kFile (absent, not a regular file), kInput (not a conversation that save_conversation() wrote).
std::vector<Message> load_conversation(const std::filesystem::path& path);

}  // namespace caldera::cli
