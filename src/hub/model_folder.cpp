#include "hub/model_folder.hpp"

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <cstdlib>
#include <map>
#include <utility>

#include "caldera/error.hpp"
#include "gguf/printable.hpp"
#include "gguf/split_name.hpp"
#include "hub/partial_file.hpp"

namespace caldera::hub {
namespace {

namespace fs = std::filesystem;

constexpr size_t kMostEntries = 100'000;
constexpr int kMostDepth = 8;

/// "owner/repo" of "owner/repo/file.gguf"; empty where the file lies elsewhere.
std::string repo_of(const std::string& path) {
  const size_t first = path.find('/');
  const size_t second = first == std::string::npos ? first : path.find('/', first + 1);
  return second == std::string::npos ? std::string() : path.substr(0, second);
}

/// "file" of "file-00001-of-00002.gguf".
std::string stem_of(const std::string& path) {
  const auto split = gguf::parse_split_name(path);
  return split ? split->model.filename().string() : fs::path(path).stem().string();
}

int64_t modified_at(const fs::path& path) {
  struct stat status {};
  return stat(path.c_str(), &status) == 0 ? int64_t{status.st_mtim.tv_sec} : 0;
}

/// What people call each of the sets: as short as tells them apart.
std::vector<std::string> names_of(const std::vector<FileSet>& sets) {
  const auto short_name = [](const FileSet& set) {
    const std::string repo = repo_of(set.path());
    if (repo.empty()) return set.path().find('/') == std::string::npos ? stem_of(set.path()) : set.path();
    const std::string tag = set.tag();
    return tag.empty() ? set.path() : repo + ":" + tag;
  };
  std::map<std::string, size_t> counts;
  for (const FileSet& set : sets) ++counts[short_name(set)];
  std::vector<std::string> names;
  for (const FileSet& set : sets) {
    const std::string name = short_name(set);
    names.push_back(counts[name] == 1 ? name : set.path());
  }
  return names;
}

}  // namespace

struct ModelFolder::Found {
  FileSet set;
  LocalModel model;
};

ModelFolder::ModelFolder(fs::path path) : path_(std::move(path)) {
  if (path_.empty()) {
    throw Error(ErrorKind::kUsage,
                "there is no home folder to keep models in: set CALDERA_MODELS to a folder");
  }
}

std::vector<ModelFolder::Found> ModelFolder::scan() const {
  std::map<std::string, File> files;
  std::error_code error;
  fs::recursive_directory_iterator entry(path_, fs::directory_options::skip_permission_denied, error);
  if (error == std::errc::no_such_file_or_directory) return {};
  size_t count = 0;
  for (; !error && entry != fs::recursive_directory_iterator(); entry.increment(error)) {
    if (++count > kMostEntries) {
      throw Error(ErrorKind::kFile,
                  fmt::format("{}: it holds more than {} files: CALDERA_MODELS names another folder",
                              path_.string(), kMostEntries));
    }
    const std::string name = entry->path().filename().string();
    std::error_code ignored;
    if (entry->is_directory(ignored)) {
      if (name.starts_with('.') || entry.depth() >= kMostDepth) entry.disable_recursion_pending();
      continue;
    }
    const std::string target = target_of_partial(name);
    const fs::path path = target.empty() ? entry->path() : entry->path().parent_path() / target;
    if (!path.filename().string().ends_with(".gguf") || path.filename().string().starts_with('.')) continue;
    if (!entry->is_regular_file(ignored)) continue;
    const std::string relative = path.lexically_relative(path_).generic_string();
    File file{
        .path = relative, .bytes = entry->file_size(ignored), .sha256 = {}, .unfinished = !target.empty()};
    if (ignored) continue;
    if (file.unfinished) {
      files.try_emplace(relative, std::move(file));
    } else {
      files[relative] = std::move(file);
    }
  }
  if (error)
    throw Error(ErrorKind::kFile, fmt::format("{}: cannot be read: {}", path_.string(), error.message()));

  std::vector<File> list;
  list.reserve(files.size());
  for (auto& [path, file] : files) list.push_back(std::move(file));
  const std::vector<FileSet> sets = group_files(list);
  const std::vector<std::string> names = names_of(sets);
  std::vector<Found> found;
  for (size_t i = 0; i < sets.size(); ++i) {
    LocalModel model{.name = names[i], .files = {}, .complete = sets[i].complete};
    for (const File& file : sets[i].files) {
      const fs::path path = path_ / file.path;
      model.files.push_back(path);
      model.there += file.bytes;
      model.bytes += file.unfinished ? announced_bytes(path).value_or(file.bytes) : file.bytes;
      model.modified = std::max(model.modified, modified_at(path));
    }
    found.push_back({sets[i], std::move(model)});
  }
  std::sort(found.begin(), found.end(),
            [](const Found& a, const Found& b) { return a.model.name < b.model.name; });
  return found;
}

std::vector<LocalModel> ModelFolder::list() const {
  std::vector<LocalModel> models;
  for (Found& found : scan()) models.push_back(std::move(found.model));
  return models;
}

std::optional<LocalModel> ModelFolder::find(std::string_view name) const {
  const std::vector<Found> all = scan();
  std::vector<const Found*> matches;
  for (const Found& found : all) {
    if (found.model.name == name) return found.model;
    const std::string& path = found.set.path();
    if (name.find('/') == std::string_view::npos &&
        (stem_of(path) == name || fs::path(path).filename() == name)) {
      matches.push_back(&found);
    }
  }
  if (matches.size() > 1) {
    std::string names;
    for (const Found* match : matches) names += (names.empty() ? "" : ", ") + match->model.name;
    throw Error(ErrorKind::kUsage, fmt::format("{}: there are several of that name: {}", name, names));
  }
  if (matches.size() == 1) return matches.front()->model;

  const std::optional<ModelName> wanted = parse_model_name(name);
  if (!wanted) return std::nullopt;
  std::vector<FileSet> sets;  // of the repository, with the paths that it has on the hub
  std::vector<const Found*> origins;
  for (const Found& found : all) {
    if (repo_of(found.set.path()) != wanted->repo) continue;
    sets.push_back(found.set);
    for (File& file : sets.back().files) file.path.erase(0, wanted->repo.size() + 1);
    origins.push_back(&found);
  }
  if (sets.empty()) return std::nullopt;
  const FileSet& set = choose(sets, *wanted, path_.string());
  return origins[static_cast<size_t>(&set - sets.data())]->model;
}

void ModelFolder::remove(const LocalModel& model) const {
  for (const fs::path& file : model.files) remove_with_notes(file);
  std::error_code error;
  // Folders that hold something else stay: only empty ones can be removed so.
  for (fs::path folder = model.path().parent_path(); folder != path_ && folder.has_relative_path();
       folder = folder.parent_path()) {
    if (!fs::remove(folder, error) || error) break;
  }
}

fs::path default_model_folder() {
  const auto variable = [](const char* name) {
    const char* value = std::getenv(name);
    return fs::path(value != nullptr ? value : "");
  };
  if (const fs::path folder = variable("CALDERA_MODELS"); !folder.empty()) return fs::absolute(folder);
  if (const fs::path data = variable("XDG_DATA_HOME"); !data.empty()) return data / "caldera" / "models";
  if (const fs::path home = variable("HOME"); !home.empty())
    return home / ".local" / "share" / "caldera" / "models";
  return {};
}

fs::path find_model(const std::string& argument) {
  std::error_code error;
  const fs::file_status status = fs::status(argument, error);
  if (fs::exists(status) && !fs::is_directory(status)) return argument;
  const fs::path folder = default_model_folder();
  if (folder.empty()) return argument;
  const auto model = ModelFolder(folder).find(argument);
  if (model && !model->complete) {
    throw Error(ErrorKind::kFile, fmt::format("{}: it is not complete yet: caldera pull {} fetches the rest",
                                              model->name, model->name));
  }
  if (model) return model->path();
  const auto name = parse_model_name(argument);
  if (name && (name->file.empty() || !name->tag.empty()) && !fs::exists(status)) {
    throw Error(
        ErrorKind::kFile,
        fmt::format("{}: there is neither such a file nor such a model in {}: caldera pull {} fetches it",
                    gguf::quote(argument), folder.string(), to_string(*name)));
  }
  return argument;
}

}  // namespace caldera::hub
