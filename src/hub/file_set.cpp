#include "hub/file_set.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <utility>

#include "caldera/error.hpp"
#include "gguf/printable.hpp"
#include "gguf/split_name.hpp"

namespace caldera::hub {
namespace {

constexpr size_t kMostListed = 40;  // in a message

bool is_part_of_a_model(const FileSet& set) {
  const std::string name = std::filesystem::path(set.path()).filename().string();
  return name.find("mmproj") != std::string::npos || name.find("imatrix") != std::string::npos;
}

/// "the-first.gguf (1.2 GiB), Q4_K_M (4.6 GiB)": what tells them apart.
std::string describe(std::span<const FileSet* const> sets) {
  std::map<std::string, size_t> tags;
  for (const FileSet* set : sets) ++tags[set->tag()];
  std::string text;
  for (size_t i = 0; i < std::min(sets.size(), kMostListed); ++i) {
    const std::string tag = sets[i]->tag();
    text += fmt::format("{}{} ({})", i > 0 ? ", " : "", tag.empty() || tags[tag] > 1 ? sets[i]->path() : tag,
                        size_text(sets[i]->bytes()));
  }
  return sets.size() > kMostListed ? text + ", ..." : text;
}

}  // namespace

std::string FileSet::tag() const {
  const auto split = gguf::parse_split_name(path());
  return format_tag(split ? split->model.string() : path());
}

uint64_t FileSet::bytes() const {
  uint64_t bytes = 0;
  for (const File& file : files) bytes += file.bytes;
  return bytes;
}

std::vector<FileSet> group_files(std::span<const File> files) {
  std::map<std::string, FileSet> sets;  // by the path of the first file
  std::map<std::string, uint32_t> counts;
  for (const File& file : files) {
    if (!file.path.ends_with(".gguf")) continue;
    const auto split = gguf::parse_split_name(file.path);
    const std::string first = split ? gguf::split_path(split->model, 1, split->count).string() : file.path;
    FileSet& set = sets[first];
    set.files.push_back(file);
    if (file.unfinished) set.complete = false;
    counts[first] = split ? split->count : 1;
  }
  std::vector<FileSet> result;
  for (auto& [first, set] : sets) {
    std::sort(set.files.begin(), set.files.end(),
              [](const File& a, const File& b) { return a.path < b.path; });
    if (set.files.size() != counts[first]) set.complete = false;
    result.push_back(std::move(set));
  }
  return result;
}

const FileSet& choose(std::span<const FileSet> sets, const ModelName& name, const std::string& where) {
  std::vector<const FileSet*> models;
  for (const FileSet& set : sets) {
    if (!is_part_of_a_model(set)) models.push_back(&set);
  }
  std::vector<const FileSet*> found;
  if (!name.file.empty()) {
    for (const FileSet& set : sets) {
      if (std::any_of(set.files.begin(), set.files.end(),
                      [&](const File& file) { return file.path == name.file; })) {
        found.push_back(&set);
      }
    }
  } else if (!name.tag.empty()) {
    for (const FileSet* set : models) {
      if (has_tag(set->path(), name.tag) || has_tag(set->tag(), name.tag)) found.push_back(set);
    }
    // "Q4_K_XL" is that, and not "UD-Q4_K_XL", where there are both.
    std::vector<const FileSet*> same;
    for (const FileSet* set : found) {
      if (has_tag(name.tag, set->tag())) same.push_back(set);
    }
    if (found.size() > 1 && same.size() == 1) found = same;
  } else {
    found = models;
  }
  if (found.size() == 1) return *found.front();
  if (found.size() > 1) {
    throw Error(ErrorKind::kUsage,
                fmt::format("{}: there are {} models: {}; say which, as {}:{}", to_string(name), found.size(),
                            describe(found), name.repo,
                            found.front()->tag().empty() ? found.front()->path() : found.front()->tag()));
  }
  if (models.empty()) {
    throw Error(ErrorKind::kFile, fmt::format("{}: {} has no GGUF files of it; look for a repository whose "
                                              "name ends in -GGUF",
                                              name.repo, where));
  }
  throw Error(ErrorKind::kFile,
              fmt::format("{}: {} has no such file; there is {}", to_string(name), where, describe(models)));
}

std::string size_text(uint64_t bytes) {
  const auto count = static_cast<double>(bytes);
  if (bytes >= uint64_t{1} << 30) return fmt::format("{:.1f} GiB", count / (1U << 30));
  if (bytes >= uint64_t{1} << 20) return fmt::format("{:.1f} MiB", count / (1U << 20));
  return fmt::format("{:.1f} KiB", count / 1024);
}

}  // namespace caldera::hub
