// The GGUF files of a repository or folder as models: one file each, or the splits of one.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "hub/model_name.hpp"

namespace caldera::hub {

/// A file of a repository, or below a folder.
struct File {
  std::string path;  ///< relative, parts separated by "/"
  uint64_t bytes = 0;
  std::string sha256{};     ///< 64 hexadecimal digits, or empty: not known
  bool unfinished = false;  ///< `bytes` are to come, not there
};

/// A model's files, in the order of their numbers.
struct FileSet {
  std::vector<File> files;
  bool complete = true;                                           ///< none is missing or unfinished
  const std::string& path() const { return files.front().path; }  ///< that names the model
  /// "Q4_K_M", or empty; see format_tag().
  std::string tag() const;
  uint64_t bytes() const;
};

/// Those of `files` that are GGUF, splits put together; sorted by path.
std::vector<FileSet> group_files(std::span<const File> files);

/// The one of `sets`, all of the repository `name` says, that `name` means. Where it names no file, parts of
/// models (projectors of images, importance matrices) are passed over. Errors: kFile (there is none), kUsage
/// (there are several: it says which); `where` is the hub or the folder, for the message.
const FileSet& choose(std::span<const FileSet> sets, const ModelName& name, const std::string& where);

/// "4.6 GiB", "93.7 MiB".
std::string size_text(uint64_t bytes);

}  // namespace caldera::hub
