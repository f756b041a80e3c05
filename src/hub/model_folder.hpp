// The folder that pulled models lie in, as OWNER/REPO/FILE.gguf, and models that were put there by hand.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "hub/file_set.hpp"

namespace caldera::hub {

struct LocalModel {
  std::string name;                          ///< "owner/repo:Q4_K_M": find() takes it
  std::vector<std::filesystem::path> files;  ///< the first is the one to open
  uint64_t bytes = 0;                        ///< of all files, those to come too
  uint64_t there = 0;                        ///< of them: are there
  int64_t modified = 0;                      ///< seconds since 1970
  bool complete = true;                      ///< nothing is missing or unfinished
  const std::filesystem::path& path() const { return files.front(); }
};

class ModelFolder {
 public:
  /// Errors: kUsage, where `path` is empty.
  explicit ModelFolder(std::filesystem::path path);

  const std::filesystem::path& path() const { return path_; }
  /// All models of it, by name; none where there is no such folder. Errors: kFile, where it cannot be read.
  std::vector<LocalModel> list() const;
  /// What `name` means: the name of the list, in part or in full: "owner/repo", "owner/repo:q4_k_m",
  /// "owner/repo/file.gguf", "file.gguf", "file". Nothing where there is none. Errors: kUsage (several; it
  /// says which), kFile.
  std::optional<LocalModel> find(std::string_view name) const;
  /// Removes its files, what is hidden beside them, and folders that are empty then. Errors: kFile.
  void remove(const LocalModel& model) const;

 private:
  struct Found;
  std::vector<Found> scan() const;

  std::filesystem::path path_;
};

/// CALDERA_MODELS, or caldera/models in $XDG_DATA_HOME or ~/.local/share; empty where there is none of these.
std::filesystem::path default_model_folder();

/// The file that MODEL on a command line means: itself where there is such a file, or else the model of that
/// name in the default folder; `argument` where there is neither and it looks like a file's.
/// Errors: kFile (a name of no model here), kUsage (of several).
std::filesystem::path find_model(const std::string& argument);

}  // namespace caldera::hub
