// How people name a model of a hub, and what names of files say.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace caldera::hub {

/// "owner/repo", "owner/repo:Q4_K_M", "owner/repo:file.gguf" or "owner/repo/folder/file.gguf".
struct ModelName {
  std::string repo;  ///< "owner/repo"
  std::string file;  ///< of the repository, or empty
  std::string tag;   ///< what the file's name says, such as its format; or empty
};

/// Nothing where `text` is no such name.
std::optional<ModelName> parse_model_name(std::string_view text);

/// "owner/repo", and what was said of the file.
std::string to_string(const ModelName& name);

/// Whether `path` can be that of a file below a folder of ours, whoever says so: relative, no part of it
/// empty, hidden, or longer than file systems take, no control characters or backslashes.
bool is_safe_path(std::string_view path);

/// The format that a file's name says it is in: "Q4_K_M" of "Llama-3.1-8B-Q4_K_M.gguf", "UD-IQ1_S", "BF16".
/// Empty where it says none.
std::string format_tag(std::string_view file);

/// Whether a file's name holds `tag` as a word of its own: "q4_k" is not in "Q4_K_M".
bool has_tag(std::string_view file, std::string_view tag);

}  // namespace caldera::hub
