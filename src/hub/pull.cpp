#include "hub/pull.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include "caldera/error.hpp"
#include "gguf/file.hpp"
#include "gguf/input_file.hpp"

namespace caldera::hub {
namespace {

namespace fs = std::filesystem;

constexpr size_t kMostFiles = 500;               // each is held open
constexpr uint64_t kSpare = uint64_t{64} << 20;  // left on the disk

/// Errors: kFormat, kUnsupported, where the file's header is no GGUF's.
void demand_gguf(const fs::path& path, const std::string& what) {
  const gguf::InputFile file(path);
  void* memory =
      file.size() > 0 ? mmap(nullptr, file.size(), PROT_READ, MAP_PRIVATE, file.descriptor(), 0) : MAP_FAILED;
  if (memory == MAP_FAILED) throw Error(ErrorKind::kFile, fmt::format("{}: cannot be mapped", path.string()));
  try {
    gguf::validate_header({static_cast<const std::byte*>(memory), file.size()}, file.size());
  } catch (const Error& error) {
    munmap(memory, file.size());
    throw Error(error.kind(), fmt::format("{}: what the hub has is no GGUF file: {}", what, error.what()));
  }
  munmap(memory, file.size());
}

/// One pull.
class Pull {
 public:
  Pull(const ModelName& name, const ModelFolder& folder, Hub& hub,
       const std::function<bool(const PullProgress&)>& progress)
      : name_(name), folder_(folder), hub_(hub), progress_(progress) {
    watch_.go_on = [this] { return tell(); };
    watch_.on_wait = [this](const std::string& why, double seconds) {
      PullProgress waiting = now_;
      waiting.stage = PullProgress::Stage::kWaiting;
      waiting.why = why;
      waiting.seconds = seconds;
      progress_(waiting);
    };
  }

  Pulled run() {
    const std::vector<FileSet> sets = group_files(hub_.files(name_.repo, watch_));
    const FileSet& set = choose(sets, name_, hub_.url());
    if (!set.complete || set.files.size() > kMostFiles) {
      throw Error(
          ErrorKind::kFile,
          fmt::format("{}/{}: the hub has {} files of it, not all, or more than can be fetched together",
                      name_.repo, set.path(), set.files.size()));
    }
    Pulled result;
    for (const File& file : set.files) {
      if (file.sha256.empty()) result.checksums = false;
      if (!is_there(file)) missing_.push_back({&file, PartialFile(target(file), file)});
    }
    result.was_there = missing_.empty();
    demand_space();
    now_.bytes_total = set.bytes();
    result.fetched = fetch_all(set);
    // The first one last: it is the one that is opened.
    for (auto missing = missing_.rbegin(); missing != missing_.rend(); ++missing) {
      missing->partial.put_in_place(missing->sha256);
    }
    const auto model = folder_.find(name_.repo + "/" + set.path());
    if (!model)
      throw Error(ErrorKind::kInternal,
                  fmt::format("{}: what was fetched is gone", target(set.files[0]).string()));
    result.model = *model;
    return result;
  }

 private:
  struct Missing {
    const File* file;
    PartialFile partial;
    std::string sha256{};
  };

  fs::path target(const File& file) const { return folder_.path() / name_.repo / file.path; }
  bool tell() { return progress_(now_); }
  GoOn checking(const File& file) {
    return [this, &file](uint64_t bytes) {
      PullProgress progress;
      progress.stage = PullProgress::Stage::kChecking;
      progress.file = file.path;
      progress.bytes_done = bytes;
      progress.bytes_total = file.bytes;
      return progress_(progress);
    };
  }

  /// Whether the file is there as the hub has it.
  bool is_there(const File& file) {
    const fs::path path = target(file);
    std::error_code error;
    if (fs::file_size(path, error) != file.bytes || error) return false;
    if (file.sha256.empty()) return true;
    const std::string noted = noted_sha256(path);
    return noted == file.sha256 || (noted.empty() && sha256_of(path, checking(file)) == file.sha256);
  }

  void demand_space() const {
    uint64_t wanted = 0;
    for (const Missing& missing : missing_) wanted += missing.partial.wanted() - missing.partial.bytes();
    std::error_code error;
    const fs::space_info space = fs::space(folder_.path(), error);
    if (error || missing_.empty() || (wanted < space.available && space.available - wanted >= kSpare)) return;
    throw Error(
        ErrorKind::kFile,
        fmt::format(
            "{}: {} are to come, and its disk has {} left: make room, or set CALDERA_MODELS to a folder "
            "on another one",
            folder_.path().string(), size_text(wanted), size_text(space.available)));
  }

  uint64_t fetch_all(const FileSet& set) {
    now_.stage = PullProgress::Stage::kFetching;
    uint64_t whole = set.bytes();
    for (const Missing& missing : missing_) whole -= missing.file->bytes;
    uint64_t fetched = 0;
    for (Missing& missing : missing_) {
      now_.file = missing.file->path;
      const auto go_on = std::exchange(watch_.go_on, [this, &missing, whole] {
        now_.bytes_done = whole + missing.partial.bytes();
        return tell();
      });
      const uint64_t before = missing.partial.bytes();
      try {
        const bool in_one = hub_.fetch(name_.repo, missing.file->path, missing.partial, watch_);
        missing.sha256 = missing.partial.sha256(checking(*missing.file));
        if (!is_right(missing) && !in_one) {
          // What earlier tries left may be to blame.
          missing.partial.restart({});
          hub_.fetch(name_.repo, missing.file->path, missing.partial, watch_);
          missing.sha256 = missing.partial.sha256(checking(*missing.file));
        }
        if (!is_right(missing)) {
          missing.partial.discard();
          throw Error(ErrorKind::kFile,
                      fmt::format("{}/{}: what came is damaged: its SHA-256 is {} and not {}; try again",
                                  name_.repo, missing.file->path, missing.sha256, missing.file->sha256));
        }
        demand_header(missing);
      } catch (...) {
        watch_.go_on = go_on;
        throw;
      }
      watch_.go_on = go_on;
      fetched += missing.partial.bytes() - std::min(before, missing.partial.bytes());
      whole += missing.file->bytes;
    }
    return fetched;
  }

  static bool is_right(const Missing& missing) {
    return missing.file->sha256.empty() || missing.sha256 == missing.file->sha256;
  }

  void demand_header(Missing& missing) const {
    try {
      demand_gguf(missing.partial.path(), name_.repo + "/" + missing.file->path);
    } catch (const Error& error) {
      if (error.kind() != ErrorKind::kFile) missing.partial.discard();
      throw;
    }
  }

  const ModelName& name_;
  const ModelFolder& folder_;
  Hub& hub_;
  const std::function<bool(const PullProgress&)>& progress_;
  HubWatch watch_;
  PullProgress now_;
  std::vector<Missing> missing_;
};

}  // namespace

Pulled pull(const ModelName& name, const ModelFolder& folder, Hub& hub,
            const std::function<bool(const PullProgress&)>& progress) {
  return Pull(name, folder, hub, progress).run();
}

}  // namespace caldera::hub
