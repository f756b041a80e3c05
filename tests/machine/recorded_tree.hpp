// Folders that look like the root of some machine: procfs, sysfs and settings, as files.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <initializer_list>
#include <stdexcept>
#include <string>
#include <utility>

namespace caldera::test {

/// A folder with these files (by path relative to it), removed with the object.
class RecordedTree {
 public:
  explicit RecordedTree(std::initializer_list<std::pair<std::string, std::string>> files) {
    std::string name = (std::filesystem::temp_directory_path() / "caldera-tree-XXXXXX").string();
    if (mkdtemp(name.data()) == nullptr) throw std::runtime_error("cannot make " + name);
    root_ = name;
    for (const auto& [path, content] : files) write(path, content);
  }
  /// The machine tests/data/machine/NAME.txt.
  explicit RecordedTree(const std::string& name) : RecordedTree({}) {
    std::ifstream file(std::string(CALDERA_TEST_DATA "/machine/") + name + ".txt");
    if (!file) throw std::runtime_error("no recorded machine " + name);
    std::string path;
    std::string content;
    for (std::string line; std::getline(file, line);) {
      if (line.starts_with("==> ") && line.ends_with(" <==")) {
        if (!path.empty()) write(path, content);
        path = line.substr(4, line.size() - 8);
        content.clear();
      } else {
        content += line + "\n";
      }
    }
    write(path, content);
  }
  ~RecordedTree() {
    std::error_code ignored;
    std::filesystem::remove_all(root_, ignored);
  }
  RecordedTree(const RecordedTree&) = delete;
  RecordedTree& operator=(const RecordedTree&) = delete;

  const std::filesystem::path& root() const { return root_; }

  void write(const std::string& path, const std::string& content) {
    std::filesystem::create_directories((root_ / path).parent_path());
    std::ofstream(root_ / path) << content;
  }

 private:
  std::filesystem::path root_;
};

}  // namespace caldera::test
